//! The devices for people: a table of the CPU's kernels, one of GPUs, and why some are not used.

use super::{Devices, Gpu, Gpus, Kernel};
use crate::report::escape::terminal as safe;
use crate::report::terminal::Look;
use crate::report::terminal::layout::table;
use anstyle::Style;
use bytesize::ByteSize;
use std::io::{self, Write};

const BOLD: Style = Style::new().bold();
const INDENT: usize = 6;

/// Prints `devices`. Escapes for bold text must be stripped by a stream that is no terminal.
pub fn write(devices: &Devices, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let machine = &devices.machine;
    writeln!(out, "{BOLD}CPU{BOLD:#}")?;
    look.paragraph(&safe(&format!("{}, {} cores", machine.cpu, machine.cores)), 0, out)?;
    let mut kernels = table(look, &["Engine", "State"]);
    for kernel in &devices.kernels {
        kernels.add_row([kernel.name.to_owned(), kernel.state()]);
    }
    writeln!(out, "{kernels}\n\n{BOLD}GPU{BOLD:#}")?;
    write_gpus(&devices.gpu, look, out)?;
    writeln!(out, "\n{}", result_line(devices))
}

/// The last line: stable words for scripts.
pub fn result_line(devices: &Devices) -> String {
    let default = devices.kernels.iter().find(|kernel| kernel.default);
    let gpus = &devices.gpu.adapters;
    format!(
        "DEVICES default={} gpus={} usable={} selected={}",
        default.map_or("none", |kernel| kernel.name),
        gpus.len(),
        gpus.iter().filter(|gpu| gpu.usable).count(),
        gpus.iter().filter(|gpu| gpu.selected).count(),
    )
}

fn write_gpus(gpus: &Gpus, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if !gpus.in_this_build {
        return look.paragraph("This build computes on the CPU only (feature gpu).", 0, out);
    }
    if !gpus.adapters.is_empty() {
        let mut adapters = table(look, &columns(look));
        for gpu in &gpus.adapters {
            adapters.add_row(gpu.cells(look));
        }
        writeln!(out, "{adapters}")?;
    }
    for gpu in &gpus.adapters {
        let Some(why) = &gpu.why_not else { continue };
        look.paragraph(&format!("GPU {} is unusable: {}", gpu.index, safe(why)), INDENT, out)?;
    }
    let Some(why) = &gpus.why_none else { return Ok(()) };
    look.paragraph(&safe(why), INDENT, out)
}

/// The second half has room on wide terminals only.
fn columns(look: Look) -> Vec<&'static str> {
    let mut columns = vec!["No.", "Name", "Type", "PCI bus id", "Upload", "State"];
    if look.is_wide() {
        columns.extend(["Backend", "Driver", "Buffer", "Binding", "Subgroup", "Timer"]);
    }
    columns
}

impl Kernel {
    fn state(&self) -> String {
        match &self.why_not {
            Some(why) => format!("unusable: {why}"),
            None if self.default => "default".to_owned(),
            None => "usable".to_owned(),
        }
    }
}

impl Gpu {
    fn cells(&self, look: Look) -> Vec<String> {
        let mut cells = vec![
            self.index.to_string(),
            safe(&self.name).into_owned(),
            self.device_type.to_owned(),
            safe(self.pci_bus_id.as_deref().unwrap_or("unknown")).into_owned(),
            self.upload_words.to_owned(),
            self.state().to_owned(),
        ];
        if look.is_wide() {
            let size = |bytes| ByteSize(bytes).display().iec().to_string();
            cells.extend([
                self.backend.to_owned(),
                safe(&format!("{} {}", self.driver, self.driver_info)).into_owned(),
                size(self.buffer_bytes_max),
                size(self.binding_bytes_max),
                format!("{}..{}", self.subgroup_min, self.subgroup_max),
                if self.timestamps { "yes" } else { "no" }.to_owned(),
            ]);
        }
        cells
    }

    fn state(&self) -> &'static str {
        match (self.usable, self.selected) {
            (_, true) => "selected",
            (true, false) => "usable",
            (false, false) => "unusable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu() -> Gpu {
        Gpu {
            index: 0,
            name: "A\u{1b}[1mB".to_owned(),
            device_type: "discrete",
            backend: "vulkan",
            driver: "NVIDIA".to_owned(),
            driver_info: "550.54".to_owned(),
            pci_bus_id: Some("0000:01:00.0".to_owned()),
            upload: "host_import",
            upload_words: "host import (zero copy)",
            import_alignment_bytes: Some(4096),
            buffer_bytes_max: 1 << 40,
            binding_bytes_max: (1 << 31) - 1,
            subgroup_min: 32,
            subgroup_max: 32,
            timestamps: true,
            usable: true,
            why_not: None,
            selected: true,
        }
    }

    fn written(gpu: Gpus, width: Option<u16>) -> String {
        let mut out = Vec::new();
        let look = Look { width, rows_max: usize::MAX, verbose: false };
        write(&Devices::of_this_machine(gpu), look, &mut anstream::StripStream::new(&mut out))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_from_drivers_are_harmless_and_tables_fit() {
        for width in [80, 120, 160] {
            let adapters = vec![gpu(), Gpu { index: 1, selected: false, ..gpu() }];
            let gpus = Gpus { in_this_build: true, why_none: None, adapters };
            let text = written(gpus, Some(width));
            assert!(text.lines().all(|line| console::measure_text_width(line) <= width.into()));
            assert!(text.contains("A\\u{1b}[1mB"), "{text}");
            assert!(text.trim_end().ends_with("gpus=2 usable=2 selected=1"), "{text}");
        }
    }

    #[test]
    fn why_a_gpu_is_not_used_is_said() {
        let why = Some("it is slow".to_owned());
        let adapters = vec![Gpu { usable: false, why_not: why, selected: false, ..gpu() }];
        let gpus = Gpus { in_this_build: true, why_none: Some("none\n".to_owned()), adapters };
        let text = written(gpus, None);
        assert!(text.contains("GPU 0 is unusable: it is slow"), "{text}");
        assert!(text.contains("none\\n"), "{text}");
    }

    #[test]
    fn a_build_for_the_cpu_alone_says_so() {
        let text = written(Gpus::default(), None);
        assert!(text.contains("CPU only"), "{text}");
        assert!(text.contains(" gpus=0 "), "{text}");
    }
}
