//! The command line of pagescrub: parse, call, print, exit.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    silence_mesa();
    cli::main()
}

/// Without a desktop, Mesa's device selection complains on stderr whenever GPUs are looked for.
/// GPUs are chosen here, so it is not needed unless the user has it choose.
#[allow(unsafe_code)]
fn silence_mesa() {
    let is_set = |name| std::env::var_os(name).is_some();
    if !is_set("NODEVICE_SELECT") && !is_set("MESA_VK_DEVICE_SELECT") {
        // SAFETY: `main` calls this before anything else, so that there is no other thread yet
        // which could read or write the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
