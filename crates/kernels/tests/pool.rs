//! The pool: every task once, whatever sleeps, panics or nests.

use mnasnet_kernels::pool::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn pool(threads: usize) -> Pool {
    Pool::new(threads).unwrap()
}

/// Whether every task of a loop of `count` ran once.
fn once(count: usize) -> bool {
    let ran: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    for_each(count, |i, ()| {
        ran[i].fetch_add(1, Ordering::Relaxed);
    });
    ran.iter().all(|ran| ran.load(Ordering::Relaxed) == 1)
}

#[test]
fn every_task_of_many_loops_runs_once() {
    for threads in [1, 2, 3, 8, 33] {
        pool(threads).install(|| (0..2000).for_each(|round| assert!(once(round % 70), "{threads} threads")));
    }
    assert!(once(70), "without a pool");
}

#[test]
fn helpers_that_fell_asleep_come_back() {
    pool(4).install(|| {
        for pause in [0, 50, 150, 190, 200, 210, 250, 1000, 20_000] {
            for _ in 0..20 {
                std::thread::sleep(Duration::from_micros(pause));
                assert!(once(64));
            }
        }
        // Twenty milliseconds of sleep a task: nobody does them alone.
        let workers = std::sync::Mutex::new(std::collections::HashSet::new());
        for_each(8, |_, ()| {
            std::thread::sleep(Duration::from_millis(20));
            workers.lock().unwrap().insert(worker());
        });
        assert!(workers.into_inner().unwrap().len() > 1);
    });
}

#[test]
fn a_loop_within_a_task_is_a_plain_loop() {
    pool(3).install(|| {
        for_each(50, |_, ()| {
            assert_eq!(threads(), 1);
            let here = std::thread::current().id();
            for_each(7, |_, ()| assert_eq!(std::thread::current().id(), here));
        });
        for_each(1, |_, ()| assert_eq!(threads(), 1));
        assert_eq!(threads(), 3);
    });
    assert_eq!((threads(), worker()), (1, 0));
}

#[test]
fn a_pool_within_its_own_tasks_runs_plain_loops() {
    thread_local! { static POOL: Pool = pool(4); }
    POOL.with(|pool| {
        pool.install(|| {
            for_each(200, |i, ()| {
                // On the leader's thread this is the pool whose loop is running, on a helper's another one.
                POOL.with(|pool| pool.install(|| assert!(once(3 + i % 5))));
            });
        });
        assert!(pool.install(|| once(1000)));
    });
}

#[test]
fn a_pool_within_a_pool_has_numbers_of_its_own() {
    pool(3).install(|| {
        for_each(20, |_, ()| {
            let outer = worker();
            pool(2).install(|| {
                assert_eq!((threads(), worker()), (2, 0));
                for_each(10, |_, ()| assert!(worker() < 2));
            });
            assert_eq!(worker(), outer);
        });
    });
}

#[test]
fn a_panic_is_passed_on_and_the_pool_works_on() {
    let pool = pool(3);
    for bad in [0, 5, 50, 99] {
        let run = || for_each(100, |i, ()| assert_ne!(i, bad));
        assert!(catch_unwind(AssertUnwindSafe(|| pool.install(run))).is_err());
        assert!(pool.install(|| once(1000)));
    }
    let all = || for_each(100, |_, ()| panic!("each of them"));
    assert!(catch_unwind(AssertUnwindSafe(|| pool.install(all))).is_err());
    assert!(pool.install(|| once(1000)));
}

#[test]
fn chunks_are_what_slices_say() {
    let from: Vec<usize> = (0..1003).collect();
    let (mut to, mut sums) = (vec![0; 1003], vec![0; 11]);
    pool(4).install(|| {
        let parts = (chunks_mut(&mut to, 100), chunks_mut(&mut sums, 1), chunks(&from, 100));
        for_each(parts, |i, (to, sum, from)| {
            assert_eq!(from[0], i * 100);
            to.copy_from_slice(from);
            sum[0] = from.iter().sum();
        });
    });
    assert_eq!(to, from);
    assert_eq!(
        sums,
        from.chunks(100).map(|part| part.iter().sum()).collect::<Vec<usize>>()
    );
    // The shortest says how many.
    assert_eq!((chunks(&from, 100), chunks(&sums, 2)).count(), 6);
}
