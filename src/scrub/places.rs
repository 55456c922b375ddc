//! Where suspects are on their devices: asked for at the end of a scan, of files that have any.

use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::Finding;
use crate::discover::DataFile;
use crate::discover::device::extent_map::EXTENTS_MAX;
use crate::discover::device::placement::Placement;
use std::collections::BTreeSet;

/// Finds out where the files with findings are stored.
pub(super) fn find(facts: &mut [FileFacts], findings: &[Finding], files: &[DataFile]) {
    let damaged: BTreeSet<usize> = findings.iter().map(|finding| finding.file).collect();
    for index in damaged {
        // Of what a compressed backup unpacks to, nothing is stored.
        if !facts[index].is_unpacked() {
            facts[index].placement = Placement::of(&files[index]);
        }
    }
}

/// What must be known to use the offsets on devices.
pub(super) fn notes(facts: &[FileFacts]) -> BTreeSet<String> {
    let placements = || facts.iter().filter_map(|facts| Some((facts, facts.placement.as_ref()?)));
    let cut = placements().filter(|(_, placement)| placement.map.is_cut()).map(|(facts, _)| {
        let path = &facts.path;
        format!(
            "{path} is in more than {EXTENTS_MAX} pieces on its device: where its last ones are \
             was not asked"
        )
    });
    let partitions = placements().filter(|(_, placement)| placement.is_on_partition());
    let partitions = partitions.map(|(_, Placement { device, disk, start_bytes, .. })| {
        format!(
            "offsets on {device} count from its own first byte, which is byte {start_bytes} of \
             {disk}"
        )
    });
    cut.chain(partitions).collect()
}
