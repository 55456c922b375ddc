//! The rules, each with the message of SQL Server that fits best. docs/check.md says of each what
//! bytes it compares, on how many healthy pages it held, and what it cannot see.

use serde::{Deserialize, Serialize};

/// Declares the rules in one table: id, number of the message, and what is wrong.
macro_rules! rules {
    ($($(#[$doc:meta])* $id:ident $message:literal $wrong:literal;)*) => {
        /// A rule, by its number in docs/check.md.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Rule {
            $($(#[$doc])* $id,)*
        }

        impl Rule {
            /// All of them, in the order in which one finding explains others: what comes first
            /// is told, what follows from it is not.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// As docs/check.md and reports call it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => stringify!($id),)* }
            }

            /// The message of DBCC that fits best. The texts of reports are our own.
            pub fn message(self) -> u32 {
                match self { $(Self::$id => $message,)* }
            }

            /// What is wrong with the page, as a clause.
            pub fn wrong(self) -> &'static str {
                match self { $(Self::$id => $wrong,)* }
            }
        }
    };
}

rules! {
    /// Header of a page in use.
    H1 8939 "its header contradicts itself";
    /// Level.
    H2 8939 "it has a level, and is no index page";
    /// Type.
    H3 8938 "it is in use, and of a type that no page in use has";
    /// Fixed place.
    H4 8946 "it is of a type that stands elsewhere only";
    /// Records of maps.
    P0 8946 "it lacks the two records of a map";
    /// Slot array.
    P1 8941 "a slot leads out of the rows";
    /// Type of record.
    P2 8944 "a record is of a type that such a page does not have";
    /// Second status byte.
    P3 8944 "the second status byte of a record is none";
    /// Overlap.
    P4 8942 "two records overlap";
    /// End of record.
    P5 8943 "a record ends behind the rows";
    /// Columns.
    P6 8944 "the columns of a record contradict its length";
    /// Null bitmap.
    P7 8944 "a row has no null bitmap";
    /// Free bytes.
    P8 8939 "its count of free bytes is not what its records leave";
    /// Ghosts.
    P9 8927 "its count of ghost records is not that of its records";
    /// Reserved bytes.
    P10 8939 "more bytes are reserved than are free";
    /// Text record.
    L1 8963 "a text record is of no type that there is, or its links do not ascend";
    /// IAM bit.
    A6 8948 "its PFS byte and its type do not agree about its being an IAM page";
    /// Length of a file.
    A8 8998 "the fixed pages of its file are not what they must be";
    /// GAM and SGAM.
    A2 8903 "its extent is free and mixed at once";
    /// First IAM page.
    I1 2575 "a unit's first IAM page is none of it";
    /// Chain.
    I2 8969 "the chain of IAM pages is broken";
    /// IAM page of nobody.
    I3 2576 "it is an IAM page in no chain";
    /// Single pages.
    I4 8948 "an IAM page has a single page that is free, or in no mixed extent";
    /// Place of IAM pages.
    I5 8948 "it is an IAM page in a uniform extent, or claimed by a unit";
    /// Catalog.
    C1 7985 "the system tables contradict each other";
    /// Free extent.
    A1 8948 "it is in use, and its extent is free";
    /// Mixed extent.
    A3 8948 "it is in a mixed extent, and its PFS byte says otherwise";
    /// Uniform extent.
    A4 8948 "its extent is mixed and uniform at once";
    /// Extent of nobody.
    A5 8905 "its extent is in use, and no unit claims it";
    /// Extent of two.
    A5b 8904 "its extent is claimed by two units";
    /// Bit of an IAM page.
    A6b 8913 "an IAM page claims an extent that is free, mixed or behind the end";
    /// Beyond the end.
    A7 8968 "it is behind the end of its file, and in use";
    /// Orphan.
    O1 8906 "it is in use, and no unit claims it";
    /// Owned twice.
    O1b 8910 "two units claim it";
    /// Other owner.
    O2 2534 "another unit claims it than it says";
    /// Type of owner.
    O3 8938 "pages of its type are none of its unit";
    /// Root.
    T1 8979 "it is no root of its index";
    /// Child.
    T2 8931 "a child pointer leads to no page that fits";
    /// Order.
    T3 8936 "its links are not the order of its parents";
    /// Reached.
    T4 8979 "no parent refers to it";
    /// Empty page.
    T5 2574 "it is empty, and not all of its index";
    /// Forwarding.
    E2 8993 "a forwarding stub and its row do not point at each other";
    /// LOB link.
    L3 8965 "a link leads to no text record that fits";
    /// LOB record.
    L4 8964 "a text record is not linked exactly once";
    /// More pages than are held against each other one by one.
    S1 8928 "pages of its unit contradict each other, too many to tell which";
}

impl Rule {
    /// It speaks of one page alone: no recovery puts that right, wherever the page is from.
    pub fn is_of_one_page(self) -> bool {
        self <= Self::A6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_single_pages_come_first() {
        let first = Rule::ALL.iter().take_while(|rule| rule.is_of_one_page()).count();
        assert_eq!(Rule::ALL[first - 1], Rule::A6);
        assert!(Rule::ALL[first..].iter().all(|rule| !rule.is_of_one_page()));
        assert_eq!((Rule::A5b.name(), Rule::A5b.message()), ("A5b", 8904));
    }
}
