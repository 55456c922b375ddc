//! What a suspect belongs to is known by the allocation structures, whatever is left of its header.

use crate::harness::real::{pages, real_files};
use crate::harness::scanned::folder_in_memory;
use crate::harness::stopped::{How, json, whole};
use crate::harness::{pagescrub, suspect_pages};
use pagescrub::catalog::owners::{Claim, Owners, is_same_unit};
use pagescrub::discover::discover;
use pagescrub::page::address::{FileId, PageId};
use pagescrub::page::allocation::{
    BITMAP_OFFSET, GAM_INTERVAL_PAGES, PfsByte, fixed_page_type, pfs_page_of,
};
use pagescrub::page::header::{PageHeader, Protection};
use pagescrub::page::iam::IamPage;
use pagescrub::page::{Page, checksum, torn};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json as value};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const IAM: u8 = 10;

fn pfs(pages: &[Page], page: usize) -> PfsByte {
    PfsByte::of(&torn::restored(&pages[1]), PageId(page as u32))
}

/// The pages in use that stand at no fixed place.
fn owned(pages: &[Page]) -> Vec<usize> {
    assert!(pages.len() <= 8088, "one PFS page describes the file");
    let is_owned = |page: &usize| {
        let is_fixed = fixed_page_type(FileId(1), PageId(*page as u32)).is_some();
        pfs(pages, *page).is_allocated() && !is_fixed
    };
    (0..pages.len()).filter(is_owned).collect()
}

fn unit(page: &Page) -> u64 {
    PageHeader::of(page).allocation_unit_id()
}

fn is_iam(page: &Page) -> bool {
    PageHeader::of(page).page_type == IAM
}

/// What all IAM pages in use say of `asked`.
fn owners(pages: &[Page], asked: &[usize]) -> Owners {
    let mut owners = Owners::of(FileId(1), asked.iter().map(|page| PageId(*page as u32)));
    for page in owned(pages).into_iter().filter(|page| is_iam(&pages[*page])) {
        owners.add(IamPage::of(&torn::restored(&pages[page])).expect("it looks like one"));
    }
    owners
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn iam_pages_and_headers_agree_on_every_page_in_use_of_every_real_file() {
    for path in real_files() {
        let pages = pages(&path);
        let owned = owned(&pages);
        let owners = owners(&pages, &owned);
        let mut of_2000 = 0;
        for &page in &owned {
            assert_eq!(pfs(&pages, page).is_iam(), is_iam(&pages[page]), "{page}");
            match owners.claim(PageId(page as u32)) {
                Claim::Nobody => assert!(is_iam(&pages[page]), "{page} belongs to nobody"),
                Claim::Unit(by_iam) => {
                    let by_header = unit(&pages[page]);
                    assert!(is_same_unit(by_iam, by_header), "{page}: {by_iam} {by_header}");
                    of_2000 += usize::from(by_iam != by_header);
                }
                Claim::Several => panic!("{page} belongs to several units"),
            }
        }
        assert!(of_2000 == 0 || path.ends_with("NORTHWND_661from539_torn.mdf"), "{of_2000}");
        println!("{}: {} pages, {of_2000} as SQL Server 2000 has it", path.display(), owned.len());
    }
}

/// No page in use is claimed as a single page without standing in a mixed extent, or by a bitmap
/// while it does; the unit's own count of pages is right. That count follows from the catalog.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn single_pages_of_iam_pages_stand_in_mixed_extents_and_owned_extents_are_uniform() {
    for path in real_files() {
        let pages = pages(&path);
        for page in owned(&pages).into_iter().filter(|page| is_iam(&pages[*page])) {
            let restored = torn::restored(&pages[page]);
            let iam = IamPage::of(&restored).expect("it looks like one");
            assert_eq!((iam.sequence(), iam.start().page), (0, PageId(0)));
            for single in iam.single_pages() {
                assert!(pfs(&pages, single.page.0 as usize).is_mixed(), "{page}: {single}");
            }
            let in_extents = (0..pages.len()).filter(|p| iam.owns_extent_of(PageId(*p as u32)));
            let mixed: Vec<_> = in_extents.filter(|p| pfs(&pages, *p).is_mixed()).collect();
            assert!(mixed.is_empty(), "{page}: {mixed:?}");
        }
    }
}

struct Copy {
    folder: TempDir,
    path: PathBuf,
    pages: Vec<Page>,
}

impl Copy {
    fn of(original: &Path) -> Self {
        let folder = folder_in_memory();
        let path = folder.path().join(original.file_name().expect("a file"));
        Self { folder, path, pages: pages(original) }
    }

    fn generated() -> Self {
        let folder = folder_in_memory();
        let path = folder.path().join("generated.mdf");
        generate(&path, &["--size=4MiB"]);
        Self { pages: pages(&path), folder, path }
    }

    fn scan(&self, pages: &[Page]) -> Value {
        fs::write(&self.path, bytemuck::cast_slice::<Page, u8>(pages)).expect("room");
        json(&whole(&discover(&[self.folder.path().to_owned()]), How::default()))
    }

    /// Scans with `change` made to all pages.
    fn changed(&self, change: impl FnOnce(&mut Vec<Page>)) -> Value {
        let mut pages = self.pages.clone();
        change(&mut pages);
        self.scan(&pages)
    }

    /// Suspects by page id, of a scan with the last byte of a sector of every protected page in
    /// use changed: they are named, and their headers are whole.
    fn all_named(&self) -> BTreeMap<usize, Value> {
        let mut named = BTreeMap::new();
        for half in 0..2 {
            let report = self.changed(|pages| {
                for page in owned(pages).into_iter().filter(|page| page % 2 == half) {
                    let is_protected =
                        PageHeader::of(&pages[page]).protection() != Protection::None;
                    // Pages that tell names stay as they are, or nothing would have any.
                    if is_protected && !tells(&pages[page]) {
                        pages[page].bytes_mut()[1023] ^= 1;
                    }
                }
            });
            for suspect in report["suspects"].as_array().expect("a list") {
                named.insert(page_id(suspect), suspect.clone());
            }
        }
        named
    }
}

/// IAM pages, and those with rows of system tables.
fn tells(page: &Page) -> bool {
    is_iam(page) || PageHeader::of(page).object_id <= 64
}

fn generate(path: &Path, args: &[&str]) {
    let mut words = vec!["generate", path.to_str().expect("text"), "--seed=8"];
    words.extend(args);
    assert_eq!(pagescrub(&words).code, 0);
}

fn page_id(suspect: &Value) -> usize {
    suspect["page_id"].as_u64().expect("a number") as usize
}

fn suspect(report: &Value, page: usize) -> &Value {
    let suspects = report["suspects"].as_array().expect("a list");
    let found = suspects.iter().find(|suspect| page_id(suspect) == page);
    found.unwrap_or_else(|| panic!("{page} is no suspect: {:?}", suspect_pages(report)))
}

const NAMES: [&str; 7] =
    ["object", "schema", "table", "index", "object_kind", "object_id", "index_id"];

fn assert_named_alike(suspect: &Value, before: &Value) {
    for key in NAMES {
        assert_eq!(suspect[key], before[key], "{key} of {suspect}");
    }
}

fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    move |end| (dice.next_u64() % end as u64) as usize
}

/// What is lost is what was lost before; of an index that holds a user's rows nobody knows any more
/// whether it was one of its upper pages, unless it was its root.
fn assert_tier_follows(zeroed: &Value, before: &Value) {
    let is_of_user = before["object_id"].as_i64() >= Some(100);
    let was_upper = is_of_user && before["page_type"] == "index" && before["tier"] == "T1";
    let is_forgotten = was_upper && zeroed["is_root"] == false;
    let tier = if is_forgotten { &value!("T2") } else { &before["tier"] };
    assert_eq!(&zeroed["tier"], tier, "{zeroed}\n{before}");
}

/// Every page in use of every file, one at a time: the name that it has is the one that it had.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_page_of_every_real_file_keeps_its_name_when_it_is_zeroed() {
    for path in real_files() {
        let copy = Copy::of(&path);
        let named = copy.all_named();
        let (mut the_same, mut lost) = (0, Vec::new());
        for page in owned(&copy.pages) {
            let report = copy.changed(|pages| pages[page] = Page::ZERO);
            assert_eq!(suspect_pages(&report), [page as u64]);
            let zeroed = suspect(&report, page);
            let id = zeroed["allocation_unit_id"].as_u64();
            let id = id.unwrap_or_else(|| panic!("{zeroed}"));
            assert!(is_same_unit(id, unit(&copy.pages[page])), "{zeroed}");
            if let Some(before) = named.get(&page) {
                assert_named_alike(zeroed, before);
                assert_tier_follows(zeroed, before);
            }
            let is_iam = is_iam(&copy.pages[page]);
            assert_eq!(zeroed["page_type"], if is_iam { "iam" } else { "unknown" });
            assert_eq!(zeroed["named_by"], if is_iam { "catalog" } else { "iam" }, "{zeroed}");
            if zeroed["table"].is_null() {
                lost.push(page);
            } else {
                the_same += 1;
            }
        }
        // The row that would have told the name was on that page itself.
        let are_catalog = lost.iter().all(|page| tells(&copy.pages[*page]));
        assert!(are_catalog && lost.len() < 12, "{}: {lost:?}", path.display());
        assert!(the_same > 100, "{the_same}");
        println!("{}: {the_same} pages named, not {lost:?}", path.display());
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn noise_and_pages_of_another_place_get_the_name_of_what_they_destroyed() {
    let mut below = random(5);
    let mut done = 0;
    for path in real_files() {
        let copy = Copy::of(&path);
        let named = copy.all_named();
        let places: Vec<usize> = named.keys().copied().collect();
        // Pages without protection cannot be damaged and keep their headers.
        let rounds = if places.is_empty() { 0 } else { 10 };
        done += rounds;
        for _ in 0..rounds {
            let (one, two) = (places[below(places.len())], places[below(places.len())]);
            let report = copy.changed(|pages| {
                pages[one].bytes_mut().fill_with(|| below(256) as u8);
            });
            assert_named_alike(suspect(&report, one), &named[&one]);
            if one != two {
                let report = copy.changed(|pages| pages.swap(one, two));
                assert_named_alike(suspect(&report, one), &named[&one]);
                assert_named_alike(suspect(&report, two), &named[&two]);
                assert_eq!(suspect(&report, two)["named_by"], "iam");
            }
        }
    }
    assert!(done >= 50, "{done}");
}

/// A page in a uniform extent that belongs to `table`, with at least two more of it beside.
fn in_extent_of(copy: &Copy, named: &BTreeMap<usize, Value>, table: &str) -> usize {
    let is_of = |page: usize| named.get(&page).is_some_and(|suspect| suspect["table"] == table);
    let fits = |page: &usize| {
        let beside = |p: usize| p != *page && is_of(p) && !pfs(&copy.pages, p).is_mixed();
        is_of(*page) && (page - page % 8..page - page % 8 + 8).filter(|p| beside(*p)).count() >= 2
    };
    let places = named.keys().copied().filter(|page| !pfs(&copy.pages, *page).is_mixed());
    places.filter(fits).nth(3).expect("it has extents")
}

fn iam_page_of(pages: &[Page], wanted: u64) -> usize {
    let is_it = |page: &usize| is_iam(&pages[*page]) && unit(&pages[*page]) == wanted;
    owned(pages).into_iter().find(is_it).expect("there is one")
}

fn set_bit(iam: &mut Page, page: usize, value: bool) {
    let extent = page / 8;
    let byte = &mut iam.bytes_mut()[BITMAP_OFFSET + extent / 8];
    *byte = *byte & !(1 << (extent % 8)) | u8::from(value) << (extent % 8);
    checksum::seal(iam);
}

#[test]
fn zeroed_pages_of_a_generated_file_have_the_name_that_they_had_and_what_is_lost_follows() {
    let copy = Copy::generated();
    let named = copy.all_named();
    assert!(named.len() > 200, "{}", named.len());
    let report = copy.changed(|pages| named.keys().for_each(|page| pages[*page] = Page::ZERO));
    let mut scores = BTreeMap::new();
    for (page, before) in &named {
        assert_eq!((&before["named_by"], &before["iam_claims"]), (&value!("both"), &value!(1)));
        let zeroed = suspect(&report, *page);
        assert_named_alike(zeroed, before);
        assert_eq!(
            (&zeroed["named_by"], &zeroed["page_type"]),
            (&value!("iam"), &value!("unknown"))
        );
        scores.insert(zeroed["object_kind"].to_string(), zeroed["score"].as_u64());
        assert_tier_follows(zeroed, before);
    }
    assert!(
        scores.len() >= 4 && scores["\"nonclustered_index\""] < scores["\"heap\""],
        "{scores:?}"
    );
}

#[test]
fn a_header_that_names_another_unit_is_overruled() {
    let copy = Copy::generated();
    let named = copy.all_named();
    let page = in_extent_of(&copy, &named, "Orders");
    let other = in_extent_of(&copy, &named, "Import");
    let report = copy.changed(|pages| {
        PageHeader::of_mut(&mut pages[page]).object_id = PageHeader::of(&pages[other]).object_id;
    });
    let overruled = suspect(&report, page);
    assert_named_alike(overruled, &named[&page]);
    assert_eq!(overruled["named_by"], "iam");
    assert_eq!(overruled["allocation_unit_id"], named[&page]["allocation_unit_id"]);
}

#[test]
fn a_page_that_two_units_claim_has_no_name_and_neither_has_one_that_nobody_claims() {
    let copy = Copy::generated();
    let named = copy.all_named();
    let page = in_extent_of(&copy, &named, "Orders");
    let other = in_extent_of(&copy, &named, "Import");
    let (own, foreign) =
        [page, other].map(|p| iam_page_of(&copy.pages, unit(&copy.pages[p]))).into();
    let two = copy.changed(|pages| {
        set_bit(&mut pages[foreign], page, true);
        pages[page] = Page::ZERO;
    });
    let nobody = copy.changed(|pages| {
        set_bit(&mut pages[own], page, false);
        pages[page].bytes_mut()[1023] ^= 1;
    });
    for (report, claims) in [(two, 2), (nobody, 0)] {
        let suspect = suspect(&report, page);
        assert_eq!(suspect["iam_claims"], claims);
        for key in NAMES.into_iter().chain(["allocation_unit_id", "named_by"]) {
            assert!(suspect[key].is_null(), "{key} of {suspect}");
        }
        assert_eq!(suspect["page_type"], "unknown");
    }
}

/// Without its IAM page the neighbours tell, and without these its header; one that contradicts
/// its neighbours is not believed.
#[test]
fn without_a_sound_iam_page_the_extent_tells_and_then_the_header() {
    let copy = Copy::generated();
    let named = copy.all_named();
    let page = in_extent_of(&copy, &named, "Orders");
    let other = in_extent_of(&copy, &named, "Import");
    let iam = iam_page_of(&copy.pages, unit(&copy.pages[page]));
    let extent = page - page % 8..page - page % 8 + 8;
    let of = |change: &dyn Fn(&mut Vec<Page>)| {
        let report = copy.changed(|pages| {
            pages[iam].bytes_mut()[4000] ^= 1;
            change(pages);
        });
        let suspect = suspect(&report, page).clone();
        (suspect["named_by"].clone(), suspect)
    };
    let (by, suspect) = of(&|pages| pages[page] = Page::ZERO);
    assert_eq!(by, "extent");
    assert_named_alike(&suspect, &named[&page]);
    let (by, suspect) = of(&|pages| pages[page].bytes_mut()[1023] ^= 1);
    assert_eq!(by, "header");
    assert_named_alike(&suspect, &named[&page]);
    let (by, suspect) = of(&|pages| {
        PageHeader::of_mut(&mut pages[page]).object_id = PageHeader::of(&pages[other]).object_id;
    });
    assert!(by.is_null() && suspect["object"].is_null(), "{suspect}");
    let (by, suspect) = of(&|pages| extent.clone().for_each(|page| pages[page] = Page::ZERO));
    assert!(by.is_null() && suspect["object"].is_null(), "{suspect}");
}

#[test]
fn iam_pages_that_claim_everything_and_lead_out_of_the_file_give_no_wrong_name() {
    let copy = Copy::generated();
    let named = copy.all_named();
    let page = in_extent_of(&copy, &named, "Orders");
    let iams: Vec<usize> =
        owned(&copy.pages).into_iter().filter(|page| is_iam(&copy.pages[*page])).collect();
    let mut below = random(6);
    let mut unnamed = 0;
    for _ in 0..100 {
        let report = copy.changed(|pages| {
            for _ in 0..=below(3) {
                let iam = &mut pages[iams[below(iams.len())]];
                let from = [100, 136, 142, BITMAP_OFFSET, BITMAP_OFFSET][below(5)];
                let filler = [0xff, 0x7f, 1][below(3)];
                iam.bytes_mut()[from..from + 1 + below(8182 - from)].fill(filler);
                checksum::seal(iam);
            }
            pages[page] = Page::ZERO;
        });
        let suspect = suspect(&report, page);
        if suspect["object"].is_null() {
            unnamed += 1;
        } else if suspect["iam_claims"] == 1 && suspect["table"] != "Orders" {
            // Its own IAM page was among those destroyed, and one other claims the page.
            assert_eq!(suspect["named_by"], "iam");
        } else {
            assert_named_alike(suspect, &named[&page]);
        }
    }
    assert!((5..100).contains(&unnamed), "{unnamed}");
}

/// The first page in use after `start` that belongs to an extent of its own.
fn in_use_after(file: &Path, start: u32) -> u32 {
    let file = fs::File::open(file).expect("ours");
    let page = |id: u32| {
        let mut bytes = [0; 8192];
        let mut file = &file;
        file.seek(SeekFrom::Start(u64::from(id) * 8192)).expect("inside the file");
        file.read_exact(&mut bytes).expect("inside the file");
        Page::new(&bytes)
    };
    let is_in_use = |id: &u32| {
        let byte = PfsByte::of(&page(pfs_page_of(PageId(*id)).0), PageId(*id));
        byte.is_allocated() && !byte.is_mixed() && !is_iam(&page(*id))
    };
    (start..start + 5000).find(is_in_use).expect("some are")
}

#[test]
fn secondary_files_and_later_intervals_are_described_by_their_own_iam_pages() {
    let folder = folder_in_memory();
    let [primary, secondary] = ["sales.mdf", "sales_2.ndf"].map(|name| folder.path().join(name));
    generate(&primary, &["--size=8MiB"]);
    generate(&secondary, &["--size=8GiB", "--sparse", "--file-id=3"]);
    let scan = || json(&whole(&discover(&[folder.path().to_owned()]), How::default()));
    let inject = |page: &str, fault: &str| {
        let path = secondary.to_str().expect("text");
        assert_eq!(pagescrub(&["inject", path, "--seed=1", fault, "--page", page]).code, 0);
    };
    // One page in each interval, known by its header first.
    let places = [0, GAM_INTERVAL_PAGES].map(|start| in_use_after(&secondary, start + 100));
    for page in places {
        inject(&page.to_string(), "--fault=zero-sector");
    }
    let before = scan();
    let known: Vec<Value> = suspect_pages(&before)
        .iter()
        .map(|page| suspect(&before, *page as usize).clone())
        .collect();
    assert_eq!(known.len(), 2);
    for before in &known {
        assert_eq!(before["named_by"], "both", "{before}");
        let offset = before["offset_bytes"].as_u64().expect("a number");
        let mut file = fs::OpenOptions::new().write(true).open(&secondary).expect("ours");
        file.seek(SeekFrom::Start(offset)).expect("inside the file");
        file.write_all(&[0; 8192]).expect("room");
    }
    let after = scan();
    for before in &known {
        let zeroed = suspect(&after, page_id(before));
        assert_named_alike(zeroed, before);
        assert_eq!(zeroed["named_by"], "iam");
    }
}
