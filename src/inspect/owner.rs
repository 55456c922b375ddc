//! Whose a page is: by the IAM pages, and by its own header where these do not tell.

use super::catalog::Catalog;
use super::chain;
use super::image::{Image, Looked};
use crate::catalog::claims::IamClaims;
use crate::catalog::object::Object;
use crate::catalog::owners::{Claim, NamedBy, clustered, is_same_unit};
use crate::catalog::units::Unit;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::fixed_page_type;
use crate::page::header::PageHeader;
use std::cell::{OnceCell, RefCell};
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

/// All that owners are found by. What was looked up once is kept.
pub struct Owners<'a> {
    image: &'a Image,
    catalog: &'a Catalog<'a>,
    units: BTreeMap<u64, Unit>,
    objects: RefCell<BTreeMap<u64, Option<Arc<Object>>>>,
    chains: OnceCell<Vec<IamOf>>,
}

/// An IAM page of a unit.
struct IamOf {
    unit: u64,
    place: PageAddress,
    claims: IamClaims,
}

impl<'a> Owners<'a> {
    /// By the system tables in `catalog`, which are those of `image`.
    pub fn new(image: &'a Image, catalog: &'a Catalog<'a>) -> Self {
        let (objects, chains) = (RefCell::default(), OnceCell::new());
        Self { image, catalog, units: catalog.units(), objects, chains }
    }

    /// The allocation units, by id.
    pub fn units(&self) -> &BTreeMap<u64, Unit> {
        &self.units
    }

    /// Whose the page is that was `looked` at. The unit in its header is asked first, and all
    /// others only if that does not claim it. What stands in a fixed place is nobody's.
    pub fn of(&self, looked: &Looked) -> Owner {
        let place = looked.place;
        if fixed_page_type(place.file, place.page).is_some() {
            return Owner::default();
        }
        let said = PageHeader::of(&looked.page).allocation_unit_id();
        let by_header = [Some(said), clustered(said)].into_iter().flatten();
        let by_header: Vec<&Unit> = by_header.filter_map(|id| self.units.get(&id)).collect();
        let (mut claim, mut iam) = claim(place, &self.iams_of(by_header));
        if claim == Claim::Nobody {
            let all = self.chains.get_or_init(|| self.iams_of(self.units.values()));
            (claim, iam) = self::claim(place, all);
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
        let mut known = self.objects.borrow_mut();
        let find = || self.catalog.objects(&[unit].into()).remove(&unit);
        let object = known.entry(unit).or_insert_with(find).clone();
        let row = self.units.get(&unit).or_else(|| self.units.get(&clustered(unit)?)).cloned();
        let (unit, named_by) = (Some(unit), Some(named_by));
        Owner { unit, named_by, iam, is_claimed_twice: false, row, object }
    }

    /// The IAM pages of `units`, as far as their chains can be followed.
    fn iams_of<'u>(&self, units: impl IntoIterator<Item = &'u Unit>) -> Vec<IamOf> {
        let mut found = Vec::new();
        for unit in units {
            let Some(first) = unit.first_iam else { continue };
            // What a broken chain does not tell is not known.
            let _ = chain::walk(self.image, unit.id, first, &mut |looked, iam| {
                let claims = IamClaims::of(iam, FileId(0), PageId(u32::MAX));
                found.push(IamOf { unit: unit.id, place: looked.place, claims });
            });
        }
        found
    }
}

/// Which unit claims `place` by one of `iams`, or has it among them; and the page that claims it.
fn claim(place: PageAddress, iams: &[IamOf]) -> (Claim, Option<PageAddress>) {
    let (mut claim, mut by) = (Claim::Nobody, None);
    for iam in iams.iter().filter(|iam| iam.place == place || iam.claims.has(place)) {
        claim = claim.and(iam.unit);
        by = (iam.place != place).then_some(iam.place);
    }
    (claim, by)
}
