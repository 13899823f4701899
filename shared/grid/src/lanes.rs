//! How one body of arithmetic runs on four numbers at a time where the processor can.
//!
//! Every kernel is written once and compiled twice: for AVX2, where that was found at run time, and for what every
//! processor of the platform has. Additions and multiplications are rounded one by one in both, in the same order, so
//! that both give the same bits.

/// Defines a kernel: one body, compiled twice. `name::plain` is the one that needs nothing.
macro_rules! kernel {
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        #[allow(unsafe_code, reason = "the same body with instructions that were looked for")]
        pub(crate) fn $name($($argument: $kind),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($argument: $kind),*) $(-> $result)? {
                    $name::generic($($argument),*)
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2.
                    return unsafe { wide($($argument),*) };
                }
            }
            $name::generic($($argument),*)
        }

        pub(crate) mod $name {
            #[allow(unused_imports)]
            use super::*;

            #[inline(always)]
            pub(super) fn generic($($argument: $kind),*) $(-> $result)? $body

            #[cfg(test)]
            #[allow(dead_code)]
            pub(crate) fn plain($($argument: $kind),*) $(-> $result)? {
                generic($($argument),*)
            }
        }
    };
}
pub(crate) use kernel;
