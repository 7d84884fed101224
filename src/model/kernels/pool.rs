//! A few threads that stay awake between the many short steps of a model: a region begins within a microsecond, where
//! waking a thread takes ten. Idle threads sleep after a moment.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::shared::SharedSlice;

/// Turns of waiting before a thread sleeps: some tens of microseconds.
const SPINS: usize = 4000;

type Job<'a> = dyn Fn(usize) + Sync + 'a;

struct Shared {
    /// Odd when the pool is closing; else twice the number of regions begun.
    epoch: AtomicUsize,
    /// Workers that have not finished the present region.
    busy: AtomicUsize,
    slot: Mutex<Slot>,
    wake: Condvar,
}

#[derive(Default)]
struct Slot {
    job: Option<&'static Job<'static>>,
    panic: Option<Box<dyn Any + Send>>,
    sleepers: usize,
}

/// Threads that run one job together.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads` (at least one), the caller's own among them. Where the system gives fewer, there are fewer.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            slot: Mutex::new(Slot::default()),
            wake: Condvar::new(),
        });
        let mut workers = Vec::new();
        for number in 1..threads {
            let shared = shared.clone();
            let named = std::thread::Builder::new().name(format!("model {number}"));
            match named.spawn(move || work(&shared, number)) {
                Ok(worker) => workers.push(worker),
                Err(_) => break,
            }
        }
        Self { shared, workers }
    }

    /// How many threads a region has.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(number, thread)` for all numbers below `count`, each once, on whichever thread is free.
    pub fn each(&mut self, count: usize, task: impl Fn(usize, usize) + Sync) {
        let next = AtomicUsize::new(0);
        let job = |thread: usize| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                task(number, thread);
            }
        };
        if count <= 1 || self.workers.is_empty() {
            job(0);
        } else {
            self.run(&job);
        }
    }

    /// What `task(number)` gives for all numbers below `count`, in their order.
    pub fn map<T: Send>(&mut self, count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut results: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
        let places = SharedSlice::new(&mut results);
        self.each(count, |number, _| {
            // SAFETY: each number comes once, and its place is its own.
            unsafe { *places.pointer(number) = Some(task(number)) };
        });
        results.into_iter().flatten().collect()
    }

    /// Runs `job` once on each thread. Exclusive access keeps regions from overlapping.
    fn run(&mut self, job: &Job<'_>) {
        let shared = &*self.shared;
        // SAFETY: the reference is used by workers only between here and `Finish::drop`, which waits for all of
        // them, on unwinding too; so it never outlives the job.
        let job_static = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        let asleep = {
            let mut slot = lock(&shared.slot);
            slot.job = Some(job_static);
            shared.epoch.fetch_add(2, Ordering::Release);
            slot.sleepers > 0
        };
        if asleep {
            shared.wake.notify_all();
        }
        let finish = Finish(shared);
        job(0);
        drop(finish);
        let panic = lock(&shared.slot).panic.take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// Waits until all workers have left the region.
struct Finish<'a>(&'a Shared);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut turns = 0;
        while self.0.busy.load(Ordering::Acquire) != 0 {
            turns += 1;
            if turns % SPINS == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        lock(&self.0.slot).job = None;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let _slot = lock(&self.shared.slot);
            self.shared.epoch.fetch_or(1, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

fn lock(slot: &Mutex<Slot>) -> std::sync::MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(shared: &Shared, number: usize) {
    let mut seen = 0;
    loop {
        let mut turns = 0;
        while shared.epoch.load(Ordering::Acquire) == seen && turns < SPINS {
            turns += 1;
            std::hint::spin_loop();
        }
        let job = {
            let mut slot = lock(&shared.slot);
            while shared.epoch.load(Ordering::Acquire) == seen {
                slot.sleepers += 1;
                slot = shared.wake.wait(slot).unwrap_or_else(PoisonError::into_inner);
                slot.sleepers -= 1;
            }
            slot.job
        };
        seen = shared.epoch.load(Ordering::Acquire);
        if seen & 1 == 1 {
            return;
        }
        if let Some(job) = job
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(number)))
        {
            lock(&shared.slot).panic = Some(panic);
        }
        shared.busy.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_over_many_regions() {
        for threads in [1, 2, 3] {
            let mut pool = Pool::new(threads);
            for count in [0, 1, 2, 7, 100] {
                for _ in 0..50 {
                    let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                    pool.each(count, |number, thread| {
                        assert!(thread < threads);
                        done[number].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(done.iter().all(|d| d.load(Ordering::Relaxed) == 1));
                }
                assert_eq!(pool.map(count, |n| n * n), (0..count).map(|n| n * n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_still_works() {
        let mut pool = Pool::new(3);
        for bad in [0, 5, 9] {
            let run = catch_unwind(AssertUnwindSafe(|| pool.each(10, |n, _| assert_ne!(n, bad))));
            assert!(run.is_err());
        }
        let sum = AtomicUsize::new(0);
        pool.each(10, |n, _| {
            sum.fetch_add(n, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 45);
    }
}
