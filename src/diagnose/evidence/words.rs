//! Evidence in words, for people: one line, the same in every format.

use super::{Evidence, Home, Slots};
use std::fmt;

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_syndrome(f)?;
        let map = String::from(self.sectors);
        write!(f, "sectors {map}")?;
        self.write_lost(f)?;
        let bits = f64::from(self.entropy_millibits) / 1000.0;
        write!(f, "; entropy {bits:.1} bits/byte")?;
        f.write_str(if self.header_is_sane { "; header sane" } else { "; no sane header" })?;
        self.write_structure(f)?;
        self.write_lsn(f)?;
        if let Some(foreign) = self.foreign {
            write!(f, "; begins as {}", foreign.name())?;
        }
        if self.in_hole {
            f.write_str("; in a hole of the file, where nothing is stored")?;
        }
        self.write_named(f)?;
        if let Some(home) = self.home {
            write!(f, "; {}", home.words())?;
        }
        let differ = if self.looks_differ { ", not the same each time" } else { "" };
        match self.looks {
            0 | 1 => Ok(()),
            looks => write!(f, "; read {looks} times{differ}"),
        }
    }
}

impl Evidence {
    fn write_syndrome(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(syndrome), Some(bits)) = (self.syndrome, self.syndrome_bits) else {
            return Ok(());
        };
        write!(f, "syndrome {syndrome} ({bits} bit{}", if bits == 1 { "" } else { "s" })?;
        match self.candidate_bits {
            Some(1) => f.write_str(", 1 candidate")?,
            Some(candidates) => write!(f, ", {candidates} candidates")?,
            None => {}
        }
        f.write_str(if self.has_lost_flag { "), no checksum flag; " } else { "); " })
    }

    fn write_lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, k) in self.lost_sectors.iter().enumerate() {
            write!(f, "{}{k}", if i == 0 { ", lost: " } else { " " })?;
        }
        Ok(())
    }

    fn write_named(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.foreign_sectors() {
            Some(1) => f.write_str("; its first sector is that of the page it names"),
            Some(shared) => {
                write!(f, "; its first {shared} sectors are those of the page it names")
            }
            None if self.names_another => f.write_str("; names another page"),
            None => Ok(()),
        }
    }

    fn write_structure(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.slots {
            Slots::None => "",
            Slots::Sound => "; slots sound",
            Slots::Unwritten => "; last slots zero",
            Slots::Broken => "; slots broken",
        })?;
        if let Some(bytes) = self.noise_head_bytes {
            write!(f, "; {bytes} bytes of noise, then sound records")?;
        }
        if let Some(at) = self.breaks_at {
            write!(f, "; breaks at byte {at}")?;
        }
        Ok(())
    }

    fn write_lsn(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(lsn) = self.lsn {
            write!(f, "; LSN {lsn}")?;
        }
        if let (Some(low), Some(high)) = (self.neighbours_lsn_low, self.neighbours_lsn_high) {
            write!(f, ", beside it {low} to {high}")?;
        }
        if let Some(checkpoint) = self.checkpoint_lsn {
            write!(f, "; checkpoint {checkpoint}")?;
        }
        Ok(())
    }
}

impl Home {
    fn words(self) -> &'static str {
        match self {
            Self::Same => "the same page stands in its own place",
            Self::Older => "an older version stands in its own place",
            Self::Newer => "a newer version stands in its own place",
            Self::Damaged => "nothing sound stands in its own place",
            Self::Elsewhere => "its own place was not scanned",
        }
    }
}
