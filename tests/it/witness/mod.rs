//! The independent witness: what must be said of each page of a file, by its bytes and the rules
//! of docs/page-format.md. It shares no code with the program and never asks it.
//!
//! Written to be followed with a pencil: one look at one page after the other, nothing is kept.

pub mod change;
pub mod dice;
pub mod log;
pub mod media;
pub mod original;
pub mod packed;
pub mod verdict;

pub const PAGE: usize = 8192;
pub const SECTOR: usize = 512;
pub const CHECKSUM: u16 = 0x0200;
pub const TORN: u16 = 0x0100;

/// Offset of the stored checksum or torn bits, section 1.
const STORED: usize = 0x3c;
const PFS_PAGES: usize = 8088;
const GAM_PAGES: usize = 511_232;
const BOOT: usize = 9;
/// Section 1.1: what pages in use are.
const TYPES: [u8; 13] = [1, 2, 3, 4, 7, 8, 9, 10, 11, 13, 15, 16, 17];
/// Known, and not known to be wrong on a page in use.
const TYPES_THAT_MAY_BE: [u8; 4] = [14, 18, 19, 20];

/// What must be said of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// The file need not have it.
    Absent,
    /// Nobody uses it.
    Free,
    /// Its checksum holds.
    Checksum,
    /// Its torn bits hold.
    Torn,
    /// In use, and nothing to verify it by.
    Unprotected,
    /// Suspect, with this `event_type` (section 10.1); `None` where more than one is right.
    Suspect(Option<u8>),
    /// The rules leave it open whether it is suspect or unprotected.
    Open,
}

/// Whether a page is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Yes,
    No,
    Unknown,
}

/// The pages of a data file, be it in a backup.
pub struct Pages<'a> {
    /// Its id in its database.
    pub file: u16,
    /// By page id; `None` where a backup has none.
    pub by_id: Vec<Option<&'a [u8]>>,
    /// PAGE_VERIFY of its database, where that is not in its own boot page.
    pub verify: Option<bool>,
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn set_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Section 2: each sector's XOR of its words, the stored one taken as 0, rotated left by one more
/// than the sector after it.
pub fn sum(page: &[u8]) -> u32 {
    let mut sum = 0;
    for sector in 0..16 {
        let mut xor = 0;
        for word in 0..128 {
            let at = sector * SECTOR + word * 4;
            if at != STORED {
                xor ^= u32_at(page, at);
            }
        }
        sum ^= xor.rotate_left(15 - sector as u32);
    }
    sum
}

/// Section 3: a signature of 1 or 2 in the last two bits of sectors 1 to 15.
pub fn is_torn_right(page: &[u8]) -> bool {
    let signature = page[STORED] & 3;
    let is_there = |sector: usize| page[sector * SECTOR + 511] & 3 == signature;
    (signature == 1 || signature == 2) && (1..16).all(is_there)
}

/// The page as it was before its torn bits were written over its own.
pub fn restored(page: &[u8]) -> Vec<u8> {
    let mut whole = page.to_vec();
    if flags(page) & (TORN | CHECKSUM) == TORN {
        for sector in 1..16 {
            let own = (u32_at(page, STORED) >> (2 * sector)) as u8 & 3;
            let at = sector * SECTOR + 511;
            whole[at] = whole[at] & 0xfc | own;
        }
    }
    whole
}

/// Gives `page`, whose torn bits are restored, what its flags promise.
pub fn seal(page: &mut [u8], signature: u8) {
    if flags(page) & CHECKSUM != 0 {
        let sum = sum(page);
        set_u32(page, STORED, sum);
    } else if flags(page) & TORN != 0 {
        let mut stored = u32::from(signature);
        for sector in 1..16 {
            let at = sector * SECTOR + 511;
            stored |= u32::from(page[at] & 3) << (2 * sector);
            page[at] = page[at] & 0xfc | signature;
        }
        set_u32(page, STORED, stored);
    }
}

pub fn flags(page: &[u8]) -> u16 {
    u16_at(page, 4)
}

pub fn id(page: &[u8]) -> (u16, u32) {
    (u16_at(page, 36), u32_at(page, 32))
}

fn stored(page: &[u8]) -> u32 {
    u32_at(page, STORED)
}

pub fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|&byte| byte == 0)
}

/// What holds on every healthy page in use, section 1.
fn has_bounds(page: &[u8]) -> bool {
    let (free_data, slots) = (usize::from(u16_at(page, 30)), usize::from(u16_at(page, 22)));
    page[0] == 1 && free_data >= 96 && free_data + 2 * slots <= PAGE && u16_at(page, 28) <= 8096
}

/// The stored word is exactly what it would be with the flag of a checksum.
fn has_lost_its_flag(page: &[u8]) -> bool {
    let mut flagged = page[..96].to_vec();
    flagged[5] |= 2;
    let delta = u32_at(&flagged, 4) ^ u32_at(page, 4);
    stored(page) != 0 && sum(page) ^ delta.rotate_left(15) == stored(page)
}

/// What must be said of `page`, in use at `place`, or perhaps in use.
fn of_page(page: &[u8], place: (u16, u32), is_known: bool) -> Say {
    let protection = flags(page) & (CHECKSUM | TORN);
    if is_zero(page) {
        return if is_known { Say::Suspect(Some(1)) } else { Say::Unprotected };
    }
    if protection & CHECKSUM != 0 {
        if sum(page) != stored(page) {
            return Say::Suspect(Some(2));
        }
    } else if protection == TORN {
        if !is_torn_right(page) {
            return Say::Suspect(Some(3));
        }
    } else if has_lost_its_flag(page) {
        return Say::Suspect(None);
    }
    let is_bare = protection == 0;
    let is_reserved_zero = page[64..96].iter().all(|&byte| byte == 0);
    let has_type = TYPES.contains(&page[1]);
    if !has_bounds(page) || (is_bare && !is_reserved_zero) || id(page) != place {
        return Say::Suspect(Some(1));
    }
    match protection {
        0 if has_type => Say::Unprotected,
        0 if TYPES_THAT_MAY_BE.contains(&page[1]) => Say::Open,
        0 => Say::Suspect(Some(1)),
        TORN => Say::Torn,
        _ => Say::Checksum,
    }
}

impl<'a> Pages<'a> {
    /// Of a data file that is `bytes`, from its first page on.
    pub fn of_file(file: u16, bytes: &'a [u8]) -> Self {
        Self { file, by_id: bytes.chunks_exact(PAGE).map(Some).collect(), verify: None }
    }

    fn page(&self, page: usize) -> Option<&'a [u8]> {
        self.by_id.get(page).copied().flatten()
    }

    /// The page at `page`, restored, if it is a sound one of type `kind`.
    fn sound(&self, page: usize, kind: u8) -> Option<Vec<u8>> {
        let bytes = self.page(page)?;
        let say = of_page(bytes, (self.file, page as u32), true);
        let is_sound = matches!(say, Say::Checksum | Say::Torn | Say::Unprotected);
        (is_sound && bytes[1] == kind).then(|| restored(bytes))
    }

    fn is_fixed(&self, page: usize) -> bool {
        self.fixed_type(page).is_some()
    }

    /// Section 4.1: what must stand at a place. Files here end before the first later GAM page.
    fn fixed_type(&self, page: usize) -> Option<u8> {
        assert!(page < GAM_PAGES, "the files of these tests are small");
        match page {
            0 => Some(15),
            1 => Some(11),
            2 => Some(8),
            3 => Some(9),
            6 => Some(16),
            7 => Some(17),
            BOOT if self.file == 1 => Some(13),
            _ => page.is_multiple_of(PFS_PAGES).then_some(11),
        }
    }

    /// A page at a fixed place has its type, a PFS page can be believed, and the first GAM page
    /// calls its own extent used.
    fn fits_its_place(&self, page: usize, bytes: &[u8]) -> bool {
        match self.fixed_type(page) {
            None => true,
            Some(11) => bytes[1] == 11 && self.is_believable(page, &restored(bytes)),
            Some(8) => bytes[1] == 8 && !gam_bit(&restored(bytes), 0),
            Some(kind) => bytes[1] == kind,
        }
    }

    /// It has its record, and calls used what always is.
    fn is_believable(&self, page: usize, pfs: &[u8]) -> bool {
        let first = page / PFS_PAGES * PFS_PAGES;
        let mut fixed = (first..first + 10).filter(|&page| self.is_fixed(page));
        let is_right = fixed.all(|page| pfs[100 + page % PFS_PAGES] & 0x40 != 0);
        pfs[96..100] == [0, 0, 0x9c, 0x1f] && is_right
    }

    /// The PFS page over `page`, if it can be believed.
    fn pfs(&self, page: usize) -> Option<Vec<u8>> {
        let at = pfs_over(page);
        self.sound(at, 11).filter(|pfs| self.is_believable(at, pfs))
    }

    fn gam(&self, page: usize) -> Option<Vec<u8>> {
        let interval = page / GAM_PAGES;
        let gam = self.sound(if interval == 0 { 2 } else { interval * GAM_PAGES }, 8);
        gam.filter(|gam| !gam_bit(gam, 0))
    }

    /// Section 4.4, of every page.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::with_capacity(self.by_id.len());
        let (mut pfs, mut gam) = (None, None);
        for page in 0..self.by_id.len() {
            if page % PFS_PAGES == 0 {
                (pfs, gam) = (self.pfs(page), self.gam(page));
            }
            let by_pfs = pfs.as_ref().map(|pfs: &Vec<u8>| pfs[100 + page % PFS_PAGES] & 0x40 != 0);
            let is_free_extent = gam.as_ref().is_some_and(|gam| gam_bit(gam, page / 8));
            let is_behind_all = pfs.is_none() && self.page(pfs_over(page)).is_some();
            uses.push(match by_pfs {
                Some(true) => Use::Yes,
                None if is_behind_all && is_free_interval(gam.as_deref(), page) => Use::No,
                _ if self.is_fixed(page) => Use::Yes,
                Some(false) => Use::No,
                None if is_free_extent => Use::No,
                None => Use::Unknown,
            });
        }
        uses
    }

    /// Whether pages in use carry a checksum or torn bits by the database's option, section 5.2;
    /// `None` where the page that says it is damaged.
    fn is_protected(&self) -> Option<bool> {
        if self.file != 1 {
            return Some(self.verify.unwrap_or(false));
        }
        let boot = self.sound(BOOT, 13)?;
        Some(u32_at(&boot, 132) & 0x1_0010 != 0)
    }

    /// What must be said of every page.
    pub fn testify(&self) -> Vec<Say> {
        let mut says: Vec<Say> = Vec::with_capacity(self.by_id.len());
        let mut bare = Vec::new();
        for (page, used) in self.uses().into_iter().enumerate() {
            let Some(bytes) = self.page(page) else {
                says.push(Say::Absent);
                continue;
            };
            let say = match used {
                Use::No => Say::Free,
                Use::Yes => of_page(bytes, (self.file, page as u32), true),
                Use::Unknown => self.of_unknown(page, bytes),
            };
            let is_bad = matches!(say, Say::Suspect(_)) || self.fits_its_place(page, bytes);
            says.push(if is_bad { say } else { Say::Suspect(Some(1)) });
            let is_never = (page == 12 && self.file == 1) || page % GAM_PAGES == 7;
            let is_bare = matches!(says[page], Say::Unprotected | Say::Open);
            let is_page = id(bytes) == (self.file, page as u32);
            if is_bare && is_page && stored(bytes) != 0 && !is_never {
                bare.push(page);
            }
        }
        self.judge_bare(&mut says, &bare);
        says
    }

    /// Where a backup has no PFS page, what is no page of its place may be what a free page held.
    fn of_unknown(&self, page: usize, bytes: &[u8]) -> Say {
        let place = (self.file, page as u32);
        let say = of_page(bytes, place, false);
        let is_page = id(bytes) == place
            && has_bounds(bytes)
            && TYPES.contains(&bytes[1])
            && bytes[64..96].iter().all(|&byte| byte == 0);
        match say {
            Say::Suspect(_) if self.page(pfs_over(page)).is_none() && !is_page => Say::Unprotected,
            say => say,
        }
    }

    /// A few pages without a flag and with a stored word are suspects where PAGE_VERIFY is on;
    /// many were written while it was off.
    fn judge_bare(&self, says: &mut [Say], bare: &[usize]) {
        let intact = says.iter().filter(|say| matches!(say, Say::Checksum | Say::Torn)).count();
        let are_few = bare.len() <= 3.max(intact / 10_000) && bare.len() * 16 <= intact;
        let verdict = match self.is_protected() {
            Some(true) if are_few => Say::Suspect(None),
            None if are_few => Say::Open,
            _ => return,
        };
        for &page in bare {
            says[page] = verdict;
        }
    }

    /// Pages that the file header asks for, section 5.1.
    fn asked_for(&self) -> usize {
        self.sound(0, 15).and_then(|page| log::asked_for(&page)).unwrap_or(0)
    }

    /// Pages in use are beyond the end, or the end is not known.
    pub fn has_lost_its_end(&self) -> bool {
        let end = self.by_id.len();
        let last = end.saturating_sub(1);
        let Some(gam) = self.gam(last) else { return true };
        let mut later = end.div_ceil(8)..GAM_PAGES / 8 * (last / GAM_PAGES + 1);
        let is_cut = !end.is_multiple_of(8) && self.asked_for() > end;
        if is_cut || later.any(|extent| !gam_bit(&gam, extent)) {
            return true;
        }
        let Some(pfs) = self.pfs(last) else { return !is_free_interval(Some(&gam), last) };
        let interval = (last / PFS_PAGES + 1) * PFS_PAGES;
        (end..interval).any(|page| pfs[100 + page % PFS_PAGES] & 0x40 != 0)
    }

    /// Pages beyond the end that the last PFS page calls used, in extents that the GAM page does;
    /// both must be protected, and like healthy ones in what no rule protects.
    pub fn lost(&self) -> Vec<usize> {
        let end = self.by_id.len();
        let last = end.saturating_sub(1);
        let (Some(pfs), Some(gam)) = (self.pfs(last), self.gam(last)) else { return Vec::new() };
        let is_doubtful = |page: &Vec<u8>| {
            flags(page) & (CHECKSUM | TORN) == 0 || page[64..96].iter().any(|&byte| byte != 0)
        };
        if is_doubtful(&pfs) || is_doubtful(&gam) {
            return Vec::new();
        }
        let interval = (last / PFS_PAGES + 1) * PFS_PAGES;
        let is_used = |page: &usize| pfs[100 + page % PFS_PAGES] & 0x40 != 0;
        (end..interval).filter(is_used).filter(|page| !gam_bit(&gam, page / 8)).collect()
    }
}

/// `gam` calls all that one PFS page would describe free, that page itself among it: the database
/// does not reach there.
fn is_free_interval(gam: Option<&[u8]>, page: usize) -> bool {
    let first = page / PFS_PAGES * PFS_PAGES;
    gam.is_some_and(|gam| (first / 8..(first + PFS_PAGES) / 8).all(|extent| gam_bit(gam, extent)))
}

fn pfs_over(page: usize) -> usize {
    (page / PFS_PAGES * PFS_PAGES).max(1)
}

/// The bit of `extent` in a restored map, section 4.3.
pub fn gam_bit(map: &[u8], extent: usize) -> bool {
    let bit = extent % (GAM_PAGES / 8);
    map[194 + bit / 8] >> (bit % 8) & 1 != 0
}
