//! Leaves nothing secret in memory that is given back: every heap block is wiped when it is freed, the stack when an
//! entry point returns. It covers what no `Zeroizing` reaches: copies inside the TOML parser and pam-bindings, buffers
//! that grew, values that were moved.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;

/// The system's allocator, which wipes what it takes back. A buffer of a secret needs no room for all of it: what it leaves
/// behind when it grows is wiped.
pub struct WipingAllocator;

// SAFETY: every call goes to `System` with the arguments it came with, so its promises hold. `realloc` is the trait's
// own: a new block, a copy, and the old block through `dealloc`; growing in place would be of no use to a block that moves.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block was allocated with this layout, so that many bytes are its own; nothing uses it any more.
        // explicit_bzero(3) is not optimised away.
        unsafe {
            libc::explicit_bzero(block.cast(), layout.size());
            System.dealloc(block, layout);
        }
    }
}

/// Bytes of the stack that the calls below an entry point use, and some more: a login uses 23,800, an enrollment 27,400.
const STACK: usize = 32 * 1024;

/// Wipes the part of the stack that calls of the caller have used and left.
#[inline(never)]
pub fn stack() {
    let mut left = [MaybeUninit::<u8>::uninit(); STACK];
    // SAFETY: the array is that long, and any bytes are valid for it.
    unsafe { libc::explicit_bzero(left.as_mut_ptr().cast(), STACK) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block whose bytes count up.
    fn counting(layout: Layout) -> *mut u8 {
        // SAFETY: the layout is not empty; as many bytes are written as were asked for.
        unsafe {
            let block = WipingAllocator.alloc(layout);
            assert!(!block.is_null() && block.addr().is_multiple_of(layout.align()));
            for at in 0..layout.size() {
                block.add(at).write(at as u8);
            }
            block
        }
    }

    #[test]
    fn a_block_that_grows_or_shrinks_keeps_what_fits() {
        for align in [1, 8, 16, 64, 4096] {
            for (before, after) in [(1, 2), (7, 300), (300, 7), (64, 64), (5000, 4096)] {
                let layout = Layout::from_size_align(before, align).unwrap();
                let block = counting(layout);
                // SAFETY: the block is of this layout, and is not used afterwards; the new one is as long as `after`.
                unsafe {
                    let block = WipingAllocator.realloc(block, layout, after);
                    assert!(block.addr().is_multiple_of(align));
                    for at in 0..before.min(after) {
                        assert_eq!(block.add(at).read(), at as u8);
                    }
                    let layout = Layout::from_size_align(after, align).unwrap();
                    WipingAllocator.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn a_zeroed_block_is_zero_where_another_was() {
        for (size, align) in [(1, 1), (200, 8), (200, 256), (70_000, 16)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            for _ in 0..3 {
                // SAFETY: each block is of this layout, and not used after it is given back.
                unsafe {
                    WipingAllocator.dealloc(counting(layout), layout);
                    let block = WipingAllocator.alloc_zeroed(layout);
                    assert_eq!(std::slice::from_raw_parts(block, size), vec![0; size]);
                    WipingAllocator.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn a_callers_values_survive_the_wiping() {
        let held = std::hint::black_box([0x5a_u8; 4096]);
        stack();
        assert_eq!(held, [0x5a; 4096]);
    }
}
