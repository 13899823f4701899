//! Members and a coordinator, as far as the mathematics goes.

use grid::{Modulus, Ratio};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use secagg::{
    DealtSecrets, EphemeralPublic, EphemeralSecrets, MaskContext, Masker, Masks, RecoveredMaskKey,
    RecoveredSeed, RunningSum, SEALED_BYTES, SealContext, SecaggError, Share, SharePair,
    Thresholds, Unmask, recover_mask_key, recover_seed, thresholds,
};
use wire::{ClosedHash, MemberIndex, MemberSet, ModelHash, PlanHash, RosterHash, ShareKind};

pub const SEAL: SealContext = SealContext { plan: PlanHash([1; 32]), roster: RosterHash([2; 32]) };
pub const MASK: MaskContext =
    MaskContext { plan: PlanHash([1; 32]), closed: ClosedHash([3; 32]), model: ModelHash([4; 32]) };

pub struct Cohort {
    pub public: Vec<EphemeralPublic>,
    pub thresholds: Thresholds,
    /// By place.
    pub secrets: Vec<DealtSecrets>,
    /// By dealer, then by target; none for oneself.
    pub sealed: Vec<Vec<Option<[u8; SEALED_BYTES]>>>,
    own_pairs: Vec<Option<SharePair>>,
}

impl Cohort {
    pub fn new(members: usize, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let drawn: Vec<_> = (0..members).map(|_| EphemeralSecrets::generate(&mut rng)).collect();
        let public: Vec<_> = drawn.iter().map(EphemeralSecrets::public).collect();
        let none = Ratio::new(0, 1).unwrap();
        let thresholds = thresholds(members, none, none).unwrap();
        let mut cohort =
            Self { public, thresholds, secrets: vec![], sealed: vec![], own_pairs: vec![] };
        for (place, secrets) in drawn.into_iter().enumerate() {
            let (roster, own) = (cohort.public.clone(), member(place));
            let (secrets, dealt) = secrets.deal(SEAL, roster, own, thresholds, &mut rng).unwrap();
            cohort.secrets.push(secrets);
            cohort.own_pairs.push(Some(dealt.own));
            let mut row = vec![None; members];
            dealt.sealed.into_iter().for_each(|(target, bytes)| row[target.get()] = Some(bytes));
            cohort.sealed.push(row);
        }
        cohort
    }

    /// What `holder` holds of `owner`'s secrets.
    pub fn pair(&mut self, holder: usize, owner: usize) -> SharePair {
        match self.sealed[owner][holder] {
            Some(sealed) => self.secrets[holder].open(member(owner), &sealed).unwrap(),
            None => self.own_pairs[owner].take().expect("asked for once"),
        }
    }

    /// What the holders reveal of one kind of `owner`'s secrets.
    pub fn reveal(
        &mut self,
        owner: MemberIndex,
        kind: ShareKind,
        holders: MemberSet,
    ) -> Vec<Share> {
        holders.iter().map(|holder| self.pair(holder.get(), owner.get()).reveal(kind)).collect()
    }

    pub fn seed(&mut self, owner: MemberIndex, holders: MemberSet) -> RecoveredSeed {
        let shares = self.reveal(owner, ShareKind::Seed, holders);
        let found = recover_seed(owner, &self.public[owner.get()], self.thresholds, &shares);
        found.unwrap().secret
    }

    pub fn mask_key(&mut self, owner: MemberIndex, holders: MemberSet) -> RecoveredMaskKey {
        let shares = self.reveal(owner, ShareKind::MaskKey, holders);
        let found = recover_mask_key(owner, &self.public[owner.get()], self.thresholds, &shares);
        found.unwrap().secret
    }

    /// A round: everybody in `members` masks as it was told, `survivors` arrive and reveal, and
    /// the sum is unmasked under `context`.
    pub fn round<M: Masks>(
        mut self,
        context: MaskContext,
        members: MemberSet,
        survivors: MemberSet,
        told: impl Fn(MemberIndex) -> (MaskContext, MemberSet),
        values: impl Fn(MemberIndex) -> Vec<u32>,
    ) -> Result<Vec<u32>, SecaggError> {
        let mut sum = RunningSum::new(values(member(0)).len(), modulus());
        let seeds: Vec<_> = survivors.iter().map(|owner| self.seed(owner, survivors)).collect();
        let dropped = members.minus(survivors);
        let mask_keys: Vec<_> =
            dropped.iter().map(|owner| self.mask_key(owner, survivors)).collect();
        for (place, secrets) in self.secrets.into_iter().enumerate() {
            let own = member(place);
            if survivors.contains(own) {
                let (told, members) = told(own);
                let masker = Masker::new(secrets, told, members, modulus())?;
                sum.add(own, M::mask(masker, values(own))?.values())?;
            }
        }
        M::unmask(Unmask::new(sum, context, self.public, members, seeds, mask_keys)?)
    }
}

pub fn member(place: usize) -> MemberIndex {
    MemberIndex(u8::try_from(place).unwrap())
}

pub fn set(places: impl IntoIterator<Item = usize>) -> MemberSet {
    places.into_iter().map(member).collect()
}

pub fn modulus() -> Modulus {
    Modulus::new(20).unwrap()
}
