//! Whose a page is: by the IAM pages, and by its own header where these do not tell.

use super::catalog::Catalog;
use super::chain;
use super::image::{Image, Looked};
use crate::catalog::object::Object;
use crate::catalog::owners::{Claim, NamedBy, clustered, is_same_unit};
use crate::catalog::units::Unit;
use crate::page::address::PageAddress;
use crate::page::allocation::fixed_page_type;
use crate::page::header::PageHeader;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose a page is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The allocation unit.
    pub unit: Option<u64>,
    /// How that is known.
    pub named_by: Option<NamedBy>,
    /// The IAM page that claims it.
    pub iam: Option<PageAddress>,
    /// Several units claim it, and none is the one in its header.
    pub is_claimed_twice: bool,
    /// What the system tables say of the unit.
    pub row: Option<Unit>,
    /// The object.
    pub object: Option<Arc<Object>>,
}

/// All that owners are found by.
pub struct Owners<'a> {
    image: &'a Image,
    catalog: &'a Catalog<'a>,
    units: BTreeMap<u64, Unit>,
}

impl<'a> Owners<'a> {
    /// By the system tables in `catalog`, which are those of `image`.
    pub fn new(image: &'a Image, catalog: &'a Catalog<'a>) -> Self {
        Self { image, catalog, units: catalog.units() }
    }

    /// The allocation units, by id.
    pub fn units(&self) -> &BTreeMap<u64, Unit> {
        &self.units
    }

    /// Whose the page is that was `looked` at. The unit in its header is asked first, and all others
    /// only if that does not claim it. What stands in a fixed place is nobody's.
    pub fn of(&self, looked: &Looked) -> Owner {
        if fixed_page_type(looked.place.file, looked.place.page).is_some() {
            return Owner::default();
        }
        let said = PageHeader::of(&looked.page).allocation_unit_id();
        let by_header: Vec<&Unit> = [Some(said), clustered(said)]
            .into_iter()
            .flatten()
            .filter_map(|id| self.units.get(&id))
            .collect();
        let (mut claim, mut iam) = self.claim(looked.place, by_header.into_iter());
        if claim == Claim::Nobody {
            let others = self.units.values().filter(|unit| !is_same_unit(unit.id, said));
            (claim, iam) = self.claim(looked.place, others);
        }
        match claim {
            Claim::Unit(unit) if is_same_unit(unit, said) => self.owner(unit, NamedBy::Both, iam),
            Claim::Unit(unit) => self.owner(unit, NamedBy::Iam, iam),
            Claim::Several => Owner { is_claimed_twice: true, ..Owner::default() },
            Claim::Nobody if looked.is_sound() => self.owner(said, NamedBy::Header, None),
            Claim::Nobody => Owner::default(),
        }
    }

    fn owner(&self, unit: u64, named_by: NamedBy, iam: Option<PageAddress>) -> Owner {
        let object = self.catalog.objects(&[unit].into()).remove(&unit);
        let row = self.units.get(&unit).or_else(|| self.units.get(&clustered(unit)?)).cloned();
        let (unit, named_by) = (Some(unit), Some(named_by));
        Owner { unit, named_by, iam, is_claimed_twice: false, row, object }
    }

    /// Which of `units` claims `place`, or has it in its chain of IAM pages; and the IAM page that
    /// says so.
    fn claim<'u>(
        &self,
        place: PageAddress,
        units: impl Iterator<Item = &'u Unit>,
    ) -> (Claim, Option<PageAddress>) {
        let (mut claim, mut by) = (Claim::Nobody, None);
        for unit in units {
            let Some(first) = unit.first_iam else { continue };
            // What a broken chain does not tell is not known.
            let _ = chain::walk(self.image, unit.id, first, &mut |_, iam| {
                if iam.place() == place || iam.claims(place) {
                    claim = claim.and(unit.id);
                    by = (iam.place() != place).then(|| iam.place());
                }
            });
        }
        (claim, by)
    }
}
