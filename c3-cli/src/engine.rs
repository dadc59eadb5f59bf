//! What the tensor engine does with threads.

/// Has candle do its element-wise operations in the thread that asks for them. Its own threads wait for
/// work in a loop and do it for one caller at a time: beside workers that have a core each they took a
/// third of the processor and half of the speed.
///
/// # Safety
/// The program must have no other thread yet: it sets an environment variable.
pub unsafe fn leave_threads_to_workers() {
    // SAFETY: the caller's.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
}
