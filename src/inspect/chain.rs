//! The chain of IAM pages of an allocation unit (docs/page-format.md, section 4.5).

use super::image::{Image, Looked};
use crate::catalog::owners::is_same_unit;
use crate::page::address::PageAddress;
use crate::page::iam::IamPage;
use std::collections::BTreeSet;
use std::fmt;

/// Where a chain ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The page that was to come.
    pub at: PageAddress,
    /// Why it is none of the chain, or cannot be told.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the chain of IAM pages ends at {}: {}", self.at, self.why)
    }
}

/// Shows the IAM pages of `unit`, of which `first` is the first one, in their order.
///
/// # Errors
/// Where the chain cannot be followed to its end. What comes behind is not known.
pub fn walk(
    image: &Image,
    unit: u64,
    first: PageAddress,
    visit: &mut dyn FnMut(&Looked, IamPage<'_>),
) -> Result<(), Broken> {
    let mut seen = BTreeSet::new();
    let mut next = Some(first);
    while let Some(at) = next {
        let broken = |why: &str| Broken { at, why: why.to_owned() };
        if !seen.insert(at) {
            return Err(broken("it comes back to a page before"));
        }
        let looked = image.look(at).map_err(|missing| broken(&missing.to_string()))?;
        if !looked.is_sound() {
            return Err(broken("the page is damaged, or free"));
        }
        let whole = looked.whole();
        let iam = IamPage::of(&whole).ok_or_else(|| broken("it is no IAM page"))?;
        if !is_same_unit(iam.unit(), unit) {
            return Err(broken("it is of another allocation unit"));
        }
        visit(&looked, iam);
        next = iam.next();
    }
    Ok(())
}
