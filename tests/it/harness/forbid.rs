//! System calls that fail where a test wants it, as they do in containers and on small machines.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};
use std::collections::BTreeMap;
use std::thread;

/// Runs `work` on a thread for which, and for whose children, `rules` name what fails with `errno`.
pub fn forbidding<T: Send>(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: i32,
    work: impl FnOnce() -> T + Send,
) -> T {
    let refuse = SeccompAction::Errno(errno as u32);
    let arch = std::env::consts::ARCH.try_into().expect("a known architecture");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).expect("valid");
    let program: BpfProgram = filter.try_into().expect("it compiles");
    thread::scope(|scope| {
        let filtered = scope.spawn(move || {
            apply_filter(&program).expect("no_new_privs is enough");
            work()
        });
        filtered.join().expect("no panic")
    })
}
