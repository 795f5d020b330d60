//! rust-vmm's AtomicBitmap, its source beside this file: pages are marked one by one; a harvest
//! decodes the words of get_and_reset.
#![allow(dead_code)]
include!(concat!(env!("DIRTYLAB_INCLUDE"), "/dirtylab.rs"));

/// What AtomicBitmap asks of its crate.
mod bitmap {
    pub trait WithBitmapSlice<'a> {
        type S;
    }
    pub trait Bitmap: for<'a> WithBitmapSlice<'a> {
        fn mark_dirty(&self, offset: usize, len: usize);
        fn dirty_at(&self, offset: usize) -> bool;
        fn slice_at(&self, offset: usize) -> <Self as WithBitmapSlice<'_>>::S;
    }
    pub struct RefSlice<'a, B>(&'a B, usize);
    impl<'a, B> RefSlice<'a, B> {
        pub fn new(bitmap: &'a B, offset: usize) -> Self {
            RefSlice(bitmap, offset)
        }
    }
}
mod atomic_bitmap;
use atomic_bitmap::AtomicBitmap;

const PAGE: usize = 4096;
fn of<'a>(p: *const c_void) -> &'a AtomicBitmap {
    unsafe { &*(p as *const AtomicBitmap) }
}
extern "C" fn create(pages: u64) -> *mut c_void {
    Box::into_raw(Box::new(AtomicBitmap::new(pages as usize * PAGE, PAGE))) as *mut c_void
}
extern "C" fn destroy(p: *mut c_void) {
    drop(unsafe { Box::from_raw(p as *mut AtomicBitmap) })
}
extern "C" fn insert(p: *mut c_void, frames: *const u64, n: u64) {
    for at in 0..n as usize {
        of(p).set_addr_range(unsafe { *frames.add(at) } as usize * PAGE, 1);
    }
}
extern "C" fn harvest(p: *mut c_void, out: *mut u64, room: u64) -> u64 {
    let mut found = 0;
    for (at, word) in of(p).get_and_reset().into_iter().enumerate() {
        let mut bits = word;
        while bits != 0 {
            let frame = 64 * at as u64 + bits.trailing_zeros() as u64;
            if found < room {
                unsafe { *out.add(found as usize) = frame };
                found += 1;
            } else {
                of(p).set_addr_range(frame as usize * PAGE, 1); // no room: it stays dirty
            }
            bits &= bits - 1;
        }
    }
    found
}
extern "C" fn clear(p: *mut c_void) {
    of(p).reset()
}
/// The words; the vector that get_and_reset returns is gone when a harvest ends.
extern "C" fn bytes(p: *const c_void) -> u64 {
    (std::mem::size_of::<AtomicBitmap>() + 8 * (of(p).len() / 64 + 1)) as u64
}
static TABLE: Tracker = Tracker {
    abi: ABI,
    bytes_of_table: std::mem::size_of::<Tracker>() as u32,
    flags: SORTED | UNIQUE | CONCURRENT,
    reserved: 0,
    name: if cfg!(skipping) { b"rust-vmm-skipping\0".as_ptr() } else { b"rust-vmm\0".as_ptr() }
        as *const c_char,
    create,
    destroy,
    insert,
    harvest,
    clear,
    bytes,
    harvest_runs: None,
    insert_range: None,
    count: None,
};
static ALL: Trackers<2> = Trackers([&TABLE, std::ptr::null()]);
#[no_mangle]
pub extern "C" fn dirtylab_trackers() -> *const Trackers<2> {
    &ALL
}
