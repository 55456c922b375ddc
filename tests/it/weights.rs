//! `--weights`: another ranking, and a report that says by which.

use crate::harness::{pagescrub, scan_json};
use std::fs;
use std::path::Path;

fn damaged_sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/damaged.mdf")
}

#[test]
fn a_file_of_weights_rules_the_scores_and_is_named_with_its_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.toml");
    // Its SHA-256 was taken with sha256sum.
    fs::write(&path, "[priority]\np1 = 1000\np2 = 1000\np3 = 1000\n").expect("room");
    let (_, usual) = scan_json(&damaged_sample(), &[]);
    assert!(usual["weights"]["sha256"].is_null());
    let weights = path.to_str().expect("text");
    let (code, changed) = scan_json(&damaged_sample(), &["--weights", weights]);
    assert_eq!(code, 1);
    let hash = "4bbeea1fb5f291efbe65e42ee6afcaeee4dc59955ee6dc6c20a17a1ac41716ff";
    assert_eq!(changed["weights"]["sha256"], hash);
    assert_eq!(changed["weights"]["path"], weights);
    let priorities = |report: &serde_json::Value| -> Vec<String> {
        let suspects = report["suspects"].as_array().expect("a list");
        suspects.iter().map(|s| s["priority"].to_string() + &s["tier"].to_string()).collect()
    };
    let expected = |tier: &str| if tier.contains("T0") { "P1" } else { "P4" };
    for priority in priorities(&changed) {
        assert!(priority.contains(expected(&priority)), "{priority}");
    }
    assert_ne!(priorities(&usual), priorities(&changed));
}

#[test]
fn weights_that_make_no_score_are_wrong_usage_before_anything_is_scanned() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.toml");
    fs::write(&path, "[points]\nblast = 999\n").expect("room");
    let sample = damaged_sample();
    let scan = |weights: &Path| {
        let words =
            ["scan".as_ref(), sample.as_os_str(), "--weights".as_ref(), weights.as_os_str()];
        pagescrub(&words)
    };
    let run = scan(&path);
    assert_eq!((run.code, &*run.stdout), (2, ""));
    assert!(run.stderr.contains("add up to 1000"), "{}", run.stderr);
    let run = scan(&folder.path().join("none.toml"));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("none.toml"), "{}", run.stderr);
}
