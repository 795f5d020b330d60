//! A bitmap of atomic words, in Rust: threads may insert beside a harvest.
use std::sync::atomic::{AtomicU64, Ordering::{AcqRel, Relaxed}};
include!(concat!(env!("DIRTYLAB_INCLUDE"), "/dirtylab.rs"));

type Words = Vec<AtomicU64>;
fn words<'a>(p: *const c_void) -> &'a Words { unsafe { &*(p as *const Words) } }
extern "C" fn create(pages: u64) -> *mut c_void {
    let words: Words = (0..(pages + 63) / 64).map(|_| AtomicU64::new(0)).collect();
    Box::into_raw(Box::new(words)) as *mut c_void
}
extern "C" fn destroy(p: *mut c_void) { drop(unsafe { Box::from_raw(p as *mut Words) }) }
extern "C" fn insert(p: *mut c_void, frames: *const u64, n: u64) {
    for f in (0..n as usize).map(|i| unsafe { *frames.add(i) }) {
        words(p)[f as usize / 64].fetch_or(1 << (f % 64), AcqRel);
    }
}
extern "C" fn harvest(p: *mut c_void, out: *mut u64, room: u64) -> u64 {
    let mut found = 0;
    for (w, word) in words(p).iter().enumerate().filter(|(_, word)| word.load(Relaxed) != 0) {
        let mut bits = word.swap(0, AcqRel);
        while bits != 0 && found < room {
            unsafe { *out.add(found as usize) = 64 * w as u64 + bits.trailing_zeros() as u64 };
            (found, bits) = (found + 1, bits & (bits - 1));
        }
        if bits != 0 { word.fetch_or(bits, AcqRel); } // no room: these stay dirty
    }
    found
}
extern "C" fn clear(p: *mut c_void) { words(p).iter().for_each(|w| w.store(0, Relaxed)) }
extern "C" fn bytes(p: *const c_void) -> u64 { 24 + 8 * words(p).len() as u64 }
static TABLE: Tracker = Tracker {
    abi: ABI, bytes_of_table: std::mem::size_of::<Tracker>() as u32, reserved: 0,
    flags: SORTED | UNIQUE | CONCURRENT, name: b"rs-atomic-bitmap\0".as_ptr() as *const c_char,
    create, destroy, insert, harvest, clear, bytes,
    harvest_runs: None, insert_range: None, count: None,
};
static ALL: Trackers<2> = Trackers([&TABLE, std::ptr::null()]);
#[no_mangle]
pub extern "C" fn dirtylab_trackers() -> *const Trackers<2> { &ALL }
