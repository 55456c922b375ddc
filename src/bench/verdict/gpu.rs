//! What the rows of a GPU mean, and what is wanted of them.

use super::bound_by;
use crate::bench::report::{Bound, Goal, Section, Verdict};
use crate::verify::gpu::upload::Upload;

/// The names of rows.
pub(in crate::bench) const DEVICE_READ: &str = "device memory read";
pub(in crate::bench) const BUS_COPIED: &str = "bus, copied";
pub(in crate::bench) const BUS_READ: &str = "bus, read by shader";
pub(in crate::bench) const CPU_CHECKSUM: &str = "checksum on the CPU";

/// The name of the row of the kernel `shader`.
pub(in crate::bench) fn resident(shader: &str) -> String {
    format!("checksum, resident, {shader}")
}

/// The name of the row of whole buffers that take the way `upload`.
pub(in crate::bench) fn end_to_end(upload: &str) -> String {
    format!("end to end, {}", upload.replace('_', " "))
}

/// A bound for what is reached.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

/// What is wanted of `section`, as far as it was measured.
pub(in crate::bench) fn goals(section: &Section) -> Vec<Goal> {
    let Some(gpu) = &section.gpu else { return Vec::new() };
    let of_limit = |name: &str| Some(section.row(name)?.of_limit.as_ref()?.ratio.median);
    // What is wanted of host import, its better way must reach.
    let is_import = [Upload::HostImport, Upload::ImportCopy].map(Upload::name);
    let is_import = is_import.contains(&gpu.upload.as_str());
    let import = if is_import { &gpu.upload } else { Upload::HostImport.name() };
    let import = end_to_end(import);
    let kernel = of_limit(&resident(&gpu.shader)).map(|reached| {
        let what = "the kernel, of merely reading device memory";
        goal("kernel_of_device_memory", what, reached, Wanted::AtLeast(0.70))
    });
    let bus = of_limit(&import).map(|reached| {
        let what = "end to end with host import, of the bus";
        goal("host_import_of_bus", what, reached, Wanted::AtLeast(0.85))
    });
    let cpu = cpu_ratio(section, &import).map(|reached| {
        let what = "CPU time with host import, of that of the CPU alone";
        goal("host_import_of_cpu_seconds", what, reached, Wanted::AtMost(0.5))
    });
    let mut goals: Vec<_> = [kernel, bus, cpu].into_iter().flatten().collect();
    if gpu.is_software {
        for goal in &mut goals {
            goal.is_met = None;
        }
    }
    goals
}

fn goal(name: &str, what: &str, reached: f64, wanted: Wanted) -> Goal {
    let (at_least, at_most, is_met) = match wanted {
        Wanted::AtLeast(least) => (Some(least), None, reached >= least),
        Wanted::AtMost(most) => (None, Some(most), reached <= most),
    };
    let (name, what) = (name.to_owned(), what.to_owned());
    Goal { name, what, reached, at_least, at_most, is_met: Some(is_met) }
}

fn cpu_ratio(section: &Section, row: &str) -> Option<f64> {
    let cost = |name: &str| section.row(name)?.cpu_seconds_per_gib;
    Some(cost(row)? / cost(CPU_CHECKSUM)?.max(f64::MIN_POSITIVE))
}

/// How near whole buffers come to the bus, and which goals are reached.
pub(super) fn conclusion(section: &Section) -> Option<Verdict> {
    let gpu = section.gpu.as_ref()?;
    let row = section.row(&end_to_end(&gpu.upload))?;
    let ratio = row.of_limit.as_ref()?.ratio.median;
    let (bound, text) = if gpu.is_software {
        let text = format!("{} is software: an emulation's numbers judge nothing", gpu.name);
        (Bound::Emulation, text)
    } else {
        let speed = row.gb_per_second.median;
        let goals: String = section.goals.iter().map(in_words).collect();
        let text = format!("{} at {speed:.1} GB/s, {ratio:.2} of the bus{goals}", row.name);
        (bound_by(Bound::Bus, ratio), text)
    };
    Some(Verdict { section: section.name.clone(), bound, ratio, text })
}

fn in_words(goal: &Goal) -> String {
    let met = if goal.is_met == Some(true) { "reached" } else { "MISSED" };
    let least = goal.at_least.map(|least| format!("{least:.2} or more"));
    let most = goal.at_most.map(|most| format!("{most:.2} or less"));
    let wanted = least.or(most).unwrap_or_default();
    format!("; goal {met}: {} {:.2}, {wanted} wanted", goal.what, goal.reached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::{Comparison, GpuMeasured, Row, Spread};

    fn row(name: &str, gb_per_second: f64, cpu: Option<f64>, limit: Option<(&str, f64)>) -> Row {
        let spread = |median| Spread { median, min: median, max: median };
        Row {
            name: name.to_owned(),
            is_limit: limit.is_none(),
            gb_per_second: spread(gb_per_second),
            rounds_gb_per_second: vec![gb_per_second],
            cpu_seconds_per_gib: cpu,
            page_cache_growth_bytes: None,
            clock: None,
            of_limit: limit
                .map(|(row, ratio)| Comparison { row: row.to_owned(), ratio: spread(ratio) }),
            of_one_thread: None,
        }
    }

    fn section(is_software: bool, upload: &str, kernel: f64, bus: f64, cpu: f64) -> Section {
        let rows = vec![
            row(DEVICE_READ, 4000.0, None, None),
            row(&resident("subgroups"), 4000.0 * kernel, None, Some((DEVICE_READ, kernel))),
            row(BUS_READ, 50.0, None, None),
            row(&end_to_end(upload), 50.0 * bus, Some(0.1 * cpu), Some((BUS_READ, bus))),
            row(CPU_CHECKSUM, 200.0, Some(0.1), None),
        ];
        let gpu = GpuMeasured {
            name: "GPU".to_owned(),
            driver: String::new(),
            backend: "vulkan".to_owned(),
            is_software,
            upload: upload.to_owned(),
            shader: "subgroups".to_owned(),
            subgroup_min: 32,
            subgroup_max: 32,
            resident_bytes: 4 << 30,
            bus_bytes: 4 << 30,
            arena_bytes: 128 << 20,
            timestamps: true,
        };
        let mut section = Section::new("gpu", String::new(), rows);
        section.gpu = Some(gpu);
        section.goals = goals(&section);
        section
    }

    fn met(section: &Section) -> Vec<Option<bool>> {
        section.goals.iter().map(|goal| goal.is_met).collect()
    }

    #[test]
    fn goals_are_reached_or_missed_one_by_one() {
        let yes = section(false, "host_import", 0.7, 0.85, 0.5);
        assert_eq!(met(&yes), [Some(true); 3]);
        let verdict = conclusion(&yes).unwrap();
        assert_eq!((verdict.bound, verdict.ratio), (Bound::Compute, 0.85));
        assert_eq!(verdict.text.matches("goal reached").count(), 3, "{}", verdict.text);
        let no = section(false, "host_import", 0.69, 0.95, 0.51);
        assert_eq!(met(&no), [Some(false), Some(true), Some(false)]);
        let verdict = conclusion(&no).unwrap();
        assert_eq!(verdict.bound, Bound::Bus);
        assert_eq!(verdict.text.matches("goal MISSED").count(), 2, "{}", verdict.text);
    }

    #[test]
    fn without_host_import_only_the_kernel_has_a_goal() {
        let copied = section(false, "copy", 0.8, 0.5, 2.0);
        assert_eq!(met(&copied), [Some(true)]);
        assert_eq!(conclusion(&copied).unwrap().bound, Bound::Compute);
    }

    #[test]
    fn memory_that_is_imported_and_copied_has_the_goals_of_host_import() {
        let copied = section(false, "import_copy", 0.7, 0.9, 0.4);
        assert_eq!(met(&copied), [Some(true); 3]);
        let text = conclusion(&copied).unwrap().text;
        assert!(text.starts_with("end to end, import copy at 45.0 GB/s, 0.90"), "{text}");
    }

    #[test]
    fn an_emulation_is_not_judged() {
        let software = section(true, "host_import", 0.1, 0.1, 9.0);
        assert_eq!(met(&software), [None; 3]);
        let verdict = conclusion(&software).unwrap();
        assert_eq!(verdict.bound, Bound::Emulation);
        assert!(verdict.text.contains("judge nothing"), "{}", verdict.text);
    }
}
