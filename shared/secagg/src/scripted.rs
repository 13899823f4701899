//! For tests: a generator that gives out prepared bytes, so that golden vectors and exhaustive
//! proofs decide what is drawn.

use std::convert::Infallible;

use rand::{TryCryptoRng, TryRng};

pub struct Scripted {
    bytes: std::vec::IntoIter<u8>,
}

impl Scripted {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into_iter() }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.bytes.next().expect("the script is long enough"))
    }
}

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.iter_mut().for_each(|byte| [*byte] = self.take());
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}
