//! Two open copies of one file, and what comparing them finds.

use super::super::find::NotOpened;
use super::found::Found;
use super::relation::Relation;
use super::side::Side;
use super::walk::Walk;
use crate::discover::DataFile;
use crate::page::PAGE_BYTES;
use crate::scrub::{CatalogPages, Progress, Remembered, pool_or_own_thread};
use crate::verify::engine::Engine;

/// Two open copies.
pub(super) struct Pair<'a> {
    pub(super) a: Side<'a>,
    pub(super) b: Side<'a>,
    pub(super) relation: Relation,
}

/// What comparing them has found.
pub(super) struct Compared<'a> {
    pub(super) pair: &'a Pair<'a>,
    pub(super) found: Found,
    catalogs: [CatalogPages; 2],
}

impl<'a> Pair<'a> {
    pub(super) fn open(
        a: &'a DataFile,
        b: &'a DataFile,
        relation: Relation,
    ) -> Result<Self, NotOpened> {
        Ok(Self { a: Side::open(a)?, b: Side::open(b)?, relation })
    }

    /// Bytes to read at most.
    pub(super) fn bytes(&self) -> u64 {
        self.a.pages().max(self.b.pages()).saturating_mul(2 * PAGE_BYTES as u64)
    }

    pub(super) fn compare(
        &'a self,
        engine: &Engine,
        threads: usize,
        progress: &dyn Progress,
    ) -> Compared<'a> {
        let walk = Walk { a: &self.a, b: &self.b, engine, progress };
        let (found, catalogs) = match pool_or_own_thread(threads) {
            Some(pool) => pool.install(|| walk.all(threads)),
            None => walk.all(1),
        };
        Compared { pair: self, found, catalogs }
    }
}

impl Compared<'_> {
    /// The pages of both copies that tell what others belong to.
    pub(super) fn remembered(&self) -> [Remembered<'_>; 2] {
        let [a, b] = &self.catalogs;
        [(self.pair.a.file, a), (self.pair.b.file, b)]
            .map(|(file, catalog)| Remembered { file, catalog })
    }
}
