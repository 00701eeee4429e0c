//! Leaves nothing secret in memory that is given back: every heap block is wiped when it is freed, the stack when an
//! entry point returns. It covers what no `Zeroizing` reaches: copies inside the TOML parser and pam-bindings, buffers
//! that grew, values that were moved.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;

/// The system's allocator, which wipes what it takes back.
pub struct Wiping;

// SAFETY: every call goes to `System` with the arguments it came with, so its promises hold. `realloc` is the trait's
// own: a new block, a copy, and the old block through `dealloc`; growing in place would be of no use to a block that moves.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block was allocated with this layout, so that many bytes are its own; nobody uses it any more.
        // explicit_bzero(3) is not optimised away.
        unsafe {
            libc::explicit_bzero(block.cast(), layout.size());
            System.dealloc(block, layout);
        }
    }
}

/// What the calls below an entry point use of the stack, and some more.
const STACK: usize = 32 * 1024;

/// Wipes the part of the stack that calls of the caller have used and left.
#[inline(never)]
pub fn stack() {
    let mut left = [MaybeUninit::<u8>::uninit(); STACK];
    // SAFETY: the array is that long, and any bytes are valid for it.
    unsafe { libc::explicit_bzero(left.as_mut_ptr().cast(), STACK) };
}
