//! A watch over the whole life of the package: no stack may name a module that is not there, not for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clean::{module_file, naming};

/// Looks again and again until it is dropped or asked; must end before its machine does.
pub struct RepeatedCheck {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<WatchResult>>,
}

#[derive(Default)]
struct WatchResult {
    rounds: u64,
    broken: Vec<Vec<String>>,
}

impl RepeatedCheck {
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let module = module_file();
            let mut result = WatchResult::default();
            while !seen.load(Ordering::Relaxed) {
                result.rounds += 1;
                // Missing before and after a file was found that names it: missing at that moment.
                if !module.exists() {
                    let files = naming();
                    if !files.is_empty() && !module.exists() {
                        result.broken.push(files);
                    }
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            result
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends it and sees that it has found nothing.
    pub fn found_nothing(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.take().unwrap().join().unwrap();
        assert_eq!(seen.broken, Vec::<Vec<String>>::new());
        assert!(seen.rounds > 0);
    }
}

impl Drop for RepeatedCheck {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[test]
#[should_panic(expected = "sshd")]
fn the_watch_notices_stacks_with_a_missing_module() {
    let machine = super::clean::clean_root();
    let watch = RepeatedCheck::start();
    machine.install_stack("sshd");
    std::thread::sleep(Duration::from_millis(300));
    watch.found_nothing();
}
