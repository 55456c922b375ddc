//! GPUs whose jobs nobody takes.

use super::*;
use std::sync::mpsc::channel;

/// One of them, and its jobs.
fn gpu(name: &str) -> (Gpu, Receiver<Job>) {
    let identity = Identity {
        name: name.to_owned(),
        driver: String::new(),
        backend: String::new(),
        upload: String::new(),
    };
    let (jobs_to, jobs) = channel();
    let (_, ended) = channel();
    let ways = (vec![Upload::HostImport, Upload::ImportCopy], Vec::new());
    (Gpu::new(identity, ways, jobs_to, Arc::default(), ended), jobs)
}

fn job(arena: &Arc<Arena>) -> Job {
    let buffer = arena.take(1).unwrap().remove(0);
    let (answer_to, _) = channel();
    Job { buffer, pages: 8, token: 0, answer_to }
}

#[test]
fn the_gpu_with_the_least_to_do_gets_the_next_job_and_one_that_is_gone_gets_none() {
    let arena = Arena::new(4).unwrap();
    let ((a, jobs_of_a), (b, jobs_of_b)) = (gpu("a"), gpu("b"));
    let gpus = Gpus::new(Arc::clone(&arena), vec![a, b], Share::Gpu, 1);
    gpus.offer(job(&arena)).unwrap();
    gpus.offer(job(&arena)).unwrap();
    assert_eq!((jobs_of_a.try_iter().count(), jobs_of_b.try_iter().count()), (1, 1));
    gpus.gpu(0).retire("gone");
    gpus.offer(job(&arena)).unwrap();
    assert_eq!((jobs_of_a.try_iter().count(), jobs_of_b.try_iter().count()), (0, 1));
    drop(jobs_of_b);
    assert!(gpus.offer(job(&arena)).is_err(), "its thread has ended");
    assert!(gpus.are_retired() && gpus.offer(job(&arena)).is_err());
    assert_eq!(gpus.summaries()[0].retired.as_deref(), Some("gone"));
}

#[test]
fn a_shared_gpu_takes_no_more_than_keeps_it_busy() {
    let arena = Arena::new(4 * BUSY_JOBS).unwrap();
    for (share, taken) in [(Share::Hybrid, BUSY_JOBS), (Share::Gpu, BUSY_JOBS + 9)] {
        let (gpu, _jobs) = gpu("a");
        let gpus = Gpus::new(Arc::clone(&arena), vec![gpu], share, 1);
        let offered = (0..BUSY_JOBS + 9).filter(|_| gpus.offer(job(&arena)).is_ok());
        assert_eq!(offered.count(), taken, "{share:?}");
    }
}

/// However many there are, and also when one is gone.
#[test]
fn gpus_that_share_leave_half_of_the_buffers_to_the_cpu() {
    const BUFFERS: usize = 64;
    for count in [1, 2, 3, 8, 200] {
        let arena = Arena::new(BUFFERS).unwrap();
        let (members, jobs): (Vec<_>, Vec<_>) = (0..count).map(|_| gpu("a")).unzip();
        let gpus = Gpus::new(Arc::clone(&arena), members, Share::Hybrid, 1);
        let offered = |jobs| (0..jobs).filter(|_| gpus.offer(job(&arena)).is_ok()).count();
        assert_eq!(offered(BUFFERS), BUFFERS / 2, "{count} GPUs");
        let most = jobs.iter().map(|jobs| jobs.try_iter().count()).max();
        assert_eq!(most, Some((BUFFERS / 2).div_ceil(count)), "each has its part");
        gpus.gpu(0).retire("gone");
        assert_eq!(offered(BUFFERS), 0, "what it has is still there");
    }
    let (gpu, _jobs) = gpu("a");
    let gpus = Gpus::new(Arena::new(1).unwrap(), vec![gpu], Share::Hybrid, 1);
    assert_eq!([0, 1, 3, 18].map(|buffers| gpus.share_of(buffers)), [1, 1, 1, 9]);
}

#[test]
fn a_gpu_goes_the_way_it_is_told_and_says_so() {
    let (gpu, _jobs) = gpu("a");
    let mut gpus = Gpus::new(Arena::new(1).unwrap(), vec![gpu], Share::Gpu, 1);
    let told = |gpus: &Gpus| gpus.summaries()[0].identity.upload.clone();
    assert_eq!((told(&gpus).as_str(), gpus.summaries()[0].ways.len()), ("host_import", 0));
    gpus.gpu_mut(0).was_measured(1, 9.5);
    gpus.gpu(0).take_way(1);
    assert_eq!(told(&gpus), "import_copy");
    let speed = WaySpeed { upload: "import_copy".to_owned(), gb_per_second: 9.5 };
    assert_eq!(gpus.summaries()[0].ways, [speed]);
}

#[test]
fn a_few_errors_or_one_that_is_final_retire_a_gpu() {
    let status = Status::default();
    status.record(&GpuError::Silent);
    status.record(&GpuError::Refused("why".to_owned()));
    assert!(!status.is_retired());
    status.record(&GpuError::Silent);
    assert!(status.is_retired());
    for last in [GpuError::TimedOut, GpuError::Lost("why".to_owned())] {
        let status = Status::default();
        status.record(&last);
        assert_eq!(status.retired.get(), Some(&last.to_string()));
    }
}

#[test]
fn the_first_pages_are_all_checked_and_then_about_one_in_so_many() {
    let arena = Arena::new(1).unwrap();
    let (gpu, _jobs) = gpu("a");
    let gpus = Gpus::new(arena, vec![gpu], Share::Gpu, 1000);
    let checked = |checksum: fn(u32) -> u32| {
        let sum = |page: u32| Checksum(checksum(page));
        let is_checked = |page: &u32| gpus.must_check(gpus.gpu(0), PageId(*page), sum(*page));
        (0..100_000).filter(is_checked).count()
    };
    assert_eq!(checked(|page| page.wrapping_mul(0x01ab_cdef)), 100_000);
    gpus.gpu(0).status.pages_checked.store(CHECKED_FIRST_PAGES, Ordering::Relaxed);
    for count in [checked(|page| page.wrapping_mul(0x01ab_cdef)), checked(|_| 0)] {
        assert!((60..160).contains(&count), "{count} of 100,000");
    }
}

#[test]
fn one_lie_is_enough() {
    let arena = Arena::new(1).unwrap();
    let (gpu, _jobs) = gpu("a");
    let gpus = Gpus::new(arena, vec![gpu], Share::Gpu, 1);
    assert_eq!(gpus.wrong(), None);
    gpus.gpu(0).distrust("1 is 2".to_owned());
    assert_eq!(gpus.wrong(), Some("1 is 2"));
    assert!(gpus.are_retired());
}
