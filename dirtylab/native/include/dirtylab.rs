// dirtylab.h for Rust: include!(concat!(env!("DIRTYLAB_INCLUDE"), "/dirtylab.rs")); the meaning
// of each field is in dirtylab.h.  The variable is set by `dirtylab tracker`; elsewhere it is the
// folder that dirtylab.native.include() names.
use std::os::raw::{c_char, c_void};

pub const ABI: u32 = 1;
pub const SORTED: u32 = 1;
pub const UNIQUE: u32 = 2;
pub const CONCURRENT: u32 = 4;
pub const GROWS: u32 = 8;

#[repr(C)]
pub struct Run {
    pub first: u64,
    pub pages: u64,
}

#[repr(C)]
pub struct Tracker {
    pub abi: u32,
    pub bytes_of_table: u32,
    pub flags: u32,
    pub reserved: u32,
    pub name: *const c_char,
    pub create: extern "C" fn(u64) -> *mut c_void,
    pub destroy: extern "C" fn(*mut c_void),
    pub insert: extern "C" fn(*mut c_void, *const u64, u64),
    pub harvest: extern "C" fn(*mut c_void, *mut u64, u64) -> u64,
    pub clear: extern "C" fn(*mut c_void),
    pub bytes: extern "C" fn(*const c_void) -> u64,
    pub harvest_runs: Option<extern "C" fn(*mut c_void, *mut Run, u64) -> u64>,
    pub insert_range: Option<extern "C" fn(*mut c_void, u64, u64)>,
    pub count: Option<extern "C" fn(*const c_void) -> u64>,
}
unsafe impl Sync for Tracker {}

/// What `dirtylab_trackers` returns: tables, ended by a null pointer.
#[repr(C)]
pub struct Trackers<const N: usize>(pub [*const Tracker; N]);
unsafe impl<const N: usize> Sync for Trackers<N> {}
