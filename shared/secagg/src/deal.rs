//! Dealing: a member splits its mask key and its seed among everybody on the roster, and seals
//! each neighbour's pair of shares for it alone.

use std::fmt;

use rand::CryptoRng;
use wire::{MemberIndex, PlanHash, RosterHash, ShareKind};

use crate::seal::{Route, Seals, X25519Seals};
use crate::{
    EphemeralPublic, EphemeralSecrets, PublicKey, SEALED_BYTES, SecaggError, Secret32, Share,
    Thresholds, split,
};

/// What sealed shares are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealContext {
    /// Hash of the signed plan.
    pub plan: PlanHash,
    /// Hash of the signed roster.
    pub roster: RosterHash,
}

/// What one member holds of another member's secrets (or of its own).
///
/// Revealing consumes the pair and wipes the other share: a holder can give away one kind of
/// share of a member, never both.
pub struct SharePair {
    owner: MemberIndex,
    mask_key: Share,
    seed: Share,
}

impl SharePair {
    /// Whose secrets were split.
    pub fn owner(&self) -> MemberIndex {
        self.owner
    }

    /// Gives away the share of one kind: of the seed if the owner survived, which takes off its
    /// self mask; of the mask key if it dropped out, which takes off its pairwise masks.
    pub fn reveal(self, kind: ShareKind) -> Share {
        match kind {
            ShareKind::Seed => self.seed,
            ShareKind::MaskKey => self.mask_key,
        }
    }
}

impl fmt::Debug for SharePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharePair(from member {})", self.owner)
    }
}

/// What dealing gives out.
#[derive(Debug)]
pub struct Dealt {
    /// The dealer's own pair; its share counts towards the threshold like any other.
    pub own: SharePair,
    /// One sealed pair for every other member of the roster, in ascending order.
    pub sealed: Vec<(MemberIndex, [u8; SEALED_BYTES])>,
}

/// A member's secrets after dealing: they open what the neighbours dealt, then mask once.
pub struct DealtSecrets {
    pub(crate) own: MemberIndex,
    pub(crate) mask_key: Secret32,
    pub(crate) seed: Secret32,
    pub(crate) roster: Vec<EphemeralPublic>,
    pub(crate) context: SealContext,
    pub(crate) thresholds: Thresholds,
    /// The agreement with each member's sealing key; none with oneself.
    agreed: Vec<Option<Secret32>>,
    /// How the seals open that were agreed on.
    opens: Opens,
}

/// [`Seals::open`] of the seals that shares were dealt under.
type Opens = fn(&Route<'_>, &Secret32, &[u8; SEALED_BYTES]) -> Option<(Secret32, Secret32)>;

impl EphemeralSecrets {
    /// Splits this member's mask key and seed among the whole roster and seals the shares.
    ///
    /// `roster` holds everybody's checked keys in roster order, `own` is this member's place in
    /// it. It consumes the secrets: no sealing key is used for a second dealing.
    ///
    /// # Errors
    /// [`SecaggError::RosterSize`], [`SecaggError::NotInRoster`].
    pub fn deal<R: CryptoRng + ?Sized>(
        self,
        context: SealContext,
        roster: Vec<EphemeralPublic>,
        own: MemberIndex,
        thresholds: Thresholds,
        rng: &mut R,
    ) -> Result<(DealtSecrets, Dealt), SecaggError> {
        self.deal_with::<X25519Seals, R>(context, roster, own, thresholds, rng)
    }

    /// The same with other seals, for simulations.
    ///
    /// # Errors
    /// As [`EphemeralSecrets::deal`].
    pub fn deal_with<S: Seals, R: CryptoRng + ?Sized>(
        self,
        context: SealContext,
        roster: Vec<EphemeralPublic>,
        own: MemberIndex,
        thresholds: Thresholds,
        rng: &mut R,
    ) -> Result<(DealtSecrets, Dealt), SecaggError> {
        let (count, threshold) = (thresholds.members(), thresholds.threshold());
        if roster.len() != count {
            return Err(SecaggError::RosterSize { roster: roster.len(), expected: count });
        }
        if roster.get(own.get()) != Some(&self.public()) {
            return Err(SecaggError::NotInRoster { own });
        }
        let mask_shares = split(&self.mask_key, threshold, count, rng)?;
        let seed_shares = split(&self.seed, threshold, count, rng)?;
        let agreed = agreements::<S>(&self.seal_key, &roster, own)?;
        let Self { mask_key, seal_key: _, seed, public: _ } = self;
        let opens: Opens = S::open;
        let secrets =
            DealtSecrets { own, mask_key, seed, roster, context, thresholds, agreed, opens };
        let dealt = secrets.seal_all::<S>(mask_shares, seed_shares)?;
        Ok((secrets, dealt))
    }
}

impl DealtSecrets {
    /// Opens the pair of shares that `source` dealt to this member.
    ///
    /// # Errors
    /// [`SecaggError::NotANeighbour`], [`SecaggError::SealedLength`],
    /// [`SecaggError::SealBroken`].
    pub fn open(&self, source: MemberIndex, sealed: &[u8]) -> Result<SharePair, SecaggError> {
        let agreed = self.agreed_with(source)?;
        let Ok(sealed) = <&[u8; SEALED_BYTES]>::try_from(sealed) else {
            let length = sealed.len();
            return Err(SecaggError::SealedLength { source_member: source, length });
        };
        let (mask_key, seed) = (self.opens)(&self.route(source, self.own), agreed, sealed)
            .ok_or(SecaggError::SealBroken { source_member: source })?;
        Ok(SharePair {
            owner: source,
            mask_key: Share::new(self.own, mask_key)?,
            seed: Share::new(self.own, seed)?,
        })
    }

    /// This member's place in the roster.
    pub fn own(&self) -> MemberIndex {
        self.own
    }

    fn seal_all<S: Seals>(
        &self,
        mask_shares: Vec<Share>,
        seed_shares: Vec<Share>,
    ) -> Result<Dealt, SecaggError> {
        let mut own = None;
        let mut sealed = Vec::with_capacity(self.roster.len());
        for (mask_key, seed) in mask_shares.into_iter().zip(seed_shares) {
            let target = mask_key.member();
            if target == self.own {
                own = Some(SharePair { owner: target, mask_key, seed });
                continue;
            }
            let agreed = self.agreed_with(target)?;
            let route = self.route(self.own, target);
            let bytes = S::seal(&route, agreed, mask_key.value(), seed.value());
            sealed.push((target, bytes));
        }
        let own = own.ok_or(SecaggError::NotInRoster { own: self.own })?;
        Ok(Dealt { own, sealed })
    }

    fn agreed_with(&self, member: MemberIndex) -> Result<&Secret32, SecaggError> {
        let agreed = self.agreed.get(member.get()).and_then(Option::as_ref);
        agreed.ok_or(SecaggError::NotANeighbour { member })
    }

    fn route(&self, source: MemberIndex, target: MemberIndex) -> Route<'_> {
        Route {
            context: &self.context,
            source: (source, &self.roster[source.get()].seal_key),
            target: (target, &self.roster[target.get()].seal_key),
        }
    }
}

/// The agreement with everybody's sealing key but one's own; the same one seals and opens.
fn agreements<S: Seals>(
    seal_key: &Secret32,
    roster: &[EphemeralPublic],
    own: MemberIndex,
) -> Result<Vec<Option<Secret32>>, SecaggError> {
    let is_other = |place: usize| place != own.get();
    let keys = roster.iter().enumerate().filter(|(place, _)| is_other(*place));
    let keys: Vec<PublicKey> = keys.map(|(_, member)| member.seal_key).collect();
    let mut agreed = S::agree(seal_key, &keys)?.into_iter();
    let places = 0..roster.len();
    Ok(places.map(|place| if is_other(place) { agreed.next() } else { None }).collect())
}
