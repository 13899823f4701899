//! Eight ChaCha20 blocks in the registers of AVX2: the part that a compiler does not do well.
//!
//! Sixteen words and room for rotations are more than sixteen registers. Left alone, the compiler writes and reads some
//! twenty of them in every double round; here words 8 to 11 share two registers and wait in memory by turns, as in
//! OpenSSL's `chacha-x86_64.pl` (A. Polyakov), which is a seventh less time. No instruction's time depends on what is in
//! a register.
#![allow(unsafe_code, reason = "registers are shared out by hand")]

use std::arch::asm;

use super::{Row, WORDS};

/// The rotations by 16 bits (at byte 0) and by 8 bits (at byte 32), as shuffles of the bytes of every word.
#[repr(align(32))]
struct Shuffles([[u8; 16]; 4]);

static SHUFFLES: Shuffles = {
    let by_16 = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];
    let by_8 = [3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14];
    Shuffles([by_16, by_16, by_8, by_8])
};

/// One instruction from two registers to one, all by their numbers.
macro_rules! of_two {
    ($name:literal $to:literal $one:literal $other:literal) => {
        concat!($name, " ymm", $to, ", ymm", $one, ", ymm", $other, "\n")
    };
}

/// A shift by a number of bits, from one register to another.
macro_rules! shift {
    ($name:literal $to:literal $from:literal $bits:literal) => {
        concat!($name, " ymm", $to, ", ymm", $from, ", ", $bits, "\n")
    };
}

/// One of the two shuffles of a register.
macro_rules! shuffle {
    ($register:literal $which:literal) => {
        concat!("vpshufb ymm", $register, ", ymm", $register, ", [{shuffles} + ", $which, "]\n")
    };
}

/// Half of two quarter rounds side by side (RFC 8439 section 2.1): `a += b; d = (d ^ a) <<< 16 or 8; c += d;
/// b = (b ^ c) <<< 12 or 7`, and the same for e, f, g and h. Registers by their numbers; 14 and 15 are free.
macro_rules! half {
    ($which:literal, $left:literal, $right:literal, $a:literal $b:literal $c:literal $d:literal, $e:literal $f:literal $g:literal $h:literal) => {
        concat!(
            of_two!("vpaddd" $a $a $b),
            of_two!("vpaddd" $e $e $f),
            of_two!("vpxor" $d $d $a),
            of_two!("vpxor" $h $h $e),
            shuffle!($d $which),
            shuffle!($h $which),
            of_two!("vpaddd" $c $c $d),
            of_two!("vpaddd" $g $g $h),
            of_two!("vpxor" $b $b $c),
            of_two!("vpxor" $f $f $g),
            shift!("vpslld" "14" $b $left),
            shift!("vpslld" "15" $f $left),
            shift!("vpsrld" $b $b $right),
            shift!("vpsrld" $f $f $right),
            of_two!("vpor" $b $b "14"),
            of_two!("vpor" $f $f "15"),
        )
    };
}

/// Two quarter rounds side by side, words 8 to 11 in registers 12 and 13, words 12 to 15 in 8 to 11.
macro_rules! two_quarter_rounds {
    ($($registers:tt)*) => {
        concat!(half!("0", "12", "20", $($registers)*), half!("32", "7", "25", $($registers)*))
    };
}

/// Registers 12 and 13 to memory, where their rows begin, or back.
macro_rules! keep {
    ($at:literal) => {
        concat!("vmovdqu [{words} + ", $at, "], ymm12\nvmovdqu [{words} + ", $at, " + 32], ymm13\n")
    };
}
macro_rules! take {
    ($at:literal) => {
        concat!("vmovdqu ymm12, [{words} + ", $at, "]\nvmovdqu ymm13, [{words} + ", $at, " + 32]\n")
    };
}

/// The words of eight blocks (RFC 8439 section 2.3): row i holds word i of each, of the first states and of what
/// becomes of them.
#[target_feature(enable = "avx2")]
pub fn eight_blocks(initial: &[Row; WORDS], words: &mut [Row; WORDS]) {
    // SAFETY: reads the sixteen rows of 32 bytes that `initial` is, and the 64 bytes of the shuffles, and writes and reads
    // those that `words` is; no instruction asks for alignment. The processor has AVX2.
    unsafe {
        asm!(
            // Words 10 and 11 wait.
            "vmovdqu ymm14, [{initial} + 320]", "vmovdqu ymm15, [{initial} + 352]",
            "vmovdqu [{words} + 320], ymm14", "vmovdqu [{words} + 352], ymm15",
            "vmovdqu ymm0, [{initial}]", "vmovdqu ymm1, [{initial} + 32]",
            "vmovdqu ymm2, [{initial} + 64]", "vmovdqu ymm3, [{initial} + 96]",
            "vmovdqu ymm4, [{initial} + 128]", "vmovdqu ymm5, [{initial} + 160]",
            "vmovdqu ymm6, [{initial} + 192]", "vmovdqu ymm7, [{initial} + 224]",
            "vmovdqu ymm12, [{initial} + 256]", "vmovdqu ymm13, [{initial} + 288]",
            "vmovdqu ymm8, [{initial} + 384]", "vmovdqu ymm9, [{initial} + 416]",
            "vmovdqu ymm10, [{initial} + 448]", "vmovdqu ymm11, [{initial} + 480]",
            "mov {left:e}, 10",
            "2:",
            two_quarter_rounds!("0" "4" "12" "8", "1" "5" "13" "9"),
            // Words 8 and 9 wait, and 10 and 11 come.
            keep!("256"),
            take!("320"),
            two_quarter_rounds!("2" "6" "12" "10", "3" "7" "13" "11"),
            two_quarter_rounds!("0" "5" "12" "11", "1" "6" "13" "8"),
            keep!("320"),
            take!("256"),
            two_quarter_rounds!("2" "7" "12" "9", "3" "4" "13" "10"),
            "dec {left:e}",
            "jnz 2b",
            "vpaddd ymm0, ymm0, [{initial}]", "vpaddd ymm1, ymm1, [{initial} + 32]",
            "vpaddd ymm2, ymm2, [{initial} + 64]", "vpaddd ymm3, ymm3, [{initial} + 96]",
            "vpaddd ymm4, ymm4, [{initial} + 128]", "vpaddd ymm5, ymm5, [{initial} + 160]",
            "vpaddd ymm6, ymm6, [{initial} + 192]", "vpaddd ymm7, ymm7, [{initial} + 224]",
            "vpaddd ymm12, ymm12, [{initial} + 256]", "vpaddd ymm13, ymm13, [{initial} + 288]",
            "vpaddd ymm8, ymm8, [{initial} + 384]", "vpaddd ymm9, ymm9, [{initial} + 416]",
            "vpaddd ymm10, ymm10, [{initial} + 448]", "vpaddd ymm11, ymm11, [{initial} + 480]",
            "vmovdqu ymm14, [{words} + 320]", "vmovdqu ymm15, [{words} + 352]",
            "vpaddd ymm14, ymm14, [{initial} + 320]", "vpaddd ymm15, ymm15, [{initial} + 352]",
            "vmovdqu [{words} + 320], ymm14", "vmovdqu [{words} + 352], ymm15",
            "vmovdqu [{words}], ymm0", "vmovdqu [{words} + 32], ymm1",
            "vmovdqu [{words} + 64], ymm2", "vmovdqu [{words} + 96], ymm3",
            "vmovdqu [{words} + 128], ymm4", "vmovdqu [{words} + 160], ymm5",
            "vmovdqu [{words} + 192], ymm6", "vmovdqu [{words} + 224], ymm7",
            "vmovdqu [{words} + 256], ymm12", "vmovdqu [{words} + 288], ymm13",
            "vmovdqu [{words} + 384], ymm8", "vmovdqu [{words} + 416], ymm9",
            "vmovdqu [{words} + 448], ymm10", "vmovdqu [{words} + 480], ymm11",
            initial = in(reg) initial.as_ptr(),
            words = in(reg) words.as_mut_ptr(),
            shuffles = in(reg) SHUFFLES.0.as_ptr(),
            left = out(reg) _,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
            out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
            out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        );
    }
}
