//! Names that want to be more than names.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const PIECES: [&str; 38] = [
    "]",
    "]]",
    "'",
    "''",
    "\n",
    "\r\nGO\r\n",
    "\nGO\n",
    "\n:r x.sql\n",
    "\n!!del *\n",
    "$(x)",
    "$(",
    "$",
    "(",
    "--",
    "\n--",
    "/*",
    "*/",
    "*",
    "/",
    ";",
    "; DROP DATABASE sales; --",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\u{202e}",
    "\u{feff}",
    "\0",
    "<a, sysname, >",
    ">",
    "\\",
    "\\\n",
    "ü漢",
    "\u{1f600}",
    "REPLACE",
    "\u{200c}",
    "\u{3164}",
    "\u{e0041}",
    "\u{fe0f}",
];

/// A name of up to 128 units, the same for the same `seed`; the first are single pieces.
pub(crate) fn hostile(seed: u64) -> String {
    if let Some(piece) = usize::try_from(seed).ok().and_then(|index| PIECES.get(index)) {
        return format!("a{piece}b");
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut name = String::new();
    for _ in 0..=random.next_u64() % 12 {
        name += PIECES[(random.next_u64() % PIECES.len() as u64) as usize];
        if name.encode_utf16().count() > 90 {
            break;
        }
    }
    name
}
