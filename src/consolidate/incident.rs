//! Suspects that are neighbours, told as one incident: failures are local.

use super::rank::Finding;

/// Pages apart at most for two suspects of one file to be neighbours.
const NEIGHBOUR_PAGES: u32 = 64;

/// Neighbouring suspects of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Indices into the ranked findings, in page order.
    pub findings: Vec<usize>,
}

/// Groups `ranked` findings; the incident with the most urgent page comes first.
pub fn group(ranked: &[Finding]) -> Vec<Incident> {
    let mut by_place: Vec<usize> = (0..ranked.len()).collect();
    by_place.sort_by_key(|&i| (ranked[i].file, ranked[i].place.page));
    let mut incidents: Vec<Incident> = by_place
        .chunk_by(|&a, &b| are_neighbours(&ranked[a], &ranked[b]))
        .map(|chunk| Incident { findings: chunk.to_vec() })
        .collect();
    // A finding's index is its rank.
    incidents.sort_by_key(|incident| incident.findings.iter().min().copied());
    incidents
}

fn are_neighbours(a: &Finding, b: &Finding) -> bool {
    a.file == b.file && b.place.page.0 - a.place.page.0 <= NEIGHBOUR_PAGES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::verdict::{Allocation, SuspectReason};
    use crate::page::address::{FileId, PageAddress, PageId};

    fn finding(file: usize, page: u32) -> Finding {
        let place = PageAddress::new(FileId(1), PageId(page));
        Finding::new(file, place, SuspectReason::Zeroed, Allocation::Allocated, None)
    }

    #[test]
    fn neighbours_make_one_incident_and_files_are_kept_apart() {
        let ranked =
            [finding(0, 1), finding(0, 1000), finding(0, 1064), finding(0, 1129), finding(1, 1130)];
        let groups: Vec<_> = group(&ranked).into_iter().map(|i| i.findings).collect();
        assert_eq!(groups, [vec![0], vec![1, 2], vec![3], vec![4]]);
        assert!(group(&[]).is_empty());
    }
}
