//! Second factors: codes by time (RFC 6238), and recovery codes for when the telephone is lost.

use jiff::SignedDuration;
use muster_core::id::PersonId;
use muster_store::StoreError;
use muster_store::sessions::TokenHash;
use muster_store::tenants::{Tenant, TenantDb};
use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret as _, SecretString};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::password::PasswordError;
use super::token::hashed;
use super::{SignIn, by_person};
use crate::clock::random_seed;

/// Why a second factor was not begun or does not count.
#[derive(Debug, thiserror::Error)]
pub enum SecondError {
    /// There is one that counts already.
    #[error("there is a second factor already")]
    Already,
    #[error("the code is wrong")]
    Wrong,
    #[error("the secret cannot be used")]
    Broken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an app on a telephone needs to make codes.
pub struct BegunFactor {
    /// To be typed, in groups of four.
    pub secret: String,
    /// The same as a picture.
    pub qr_svg: String,
}

/// How long a secret that no code confirmed is shown again.
const PENDING: SignedDuration = SignedDuration::from_mins(15);
/// Recovery codes that are made at once.
const CODES: usize = 10;
/// 80 bits: four groups of four.
const CODE_BYTES: usize = 10;

impl SignIn {
    /// Begins a second factor, or shows one again that was begun and no code of which was right so far.
    pub async fn begin_second(
        &self,
        db: &TenantDb,
        tenant: &Tenant,
        person: PersonId,
        label: &str,
    ) -> Result<BegunFactor, SecondError> {
        let secret = match db.second_factor(person).await? {
            Some(factor) if factor.confirmed_at.is_some() => return Err(SecondError::Already),
            Some(factor) if self.now().duration_since(factor.made_at) < PENDING => factor.secret,
            // One that was shown long ago may have been seen by others.
            _ => {
                // 160 bits, as RFC 4226, 4 recommends.
                let bytes: [u8; 20] = std::array::from_fn(|at| random_seed()[at]);
                let text = SecretString::from(Secret::from(bytes).to_base32());
                if !db.begin_second_factor(person, &text, self.now()).await? {
                    return Err(SecondError::Already);
                }
                text
            }
        };
        let totp = totp(&secret, &tenant.name, label)?;
        let url = totp.to_url().map_err(|_| SecondError::Broken)?;
        let code = QrCode::new(url.as_bytes()).map_err(|_| SecondError::Broken)?;
        let qr_svg = code
            .render::<svg::Color<'_>>()
            .min_dimensions(200, 200)
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build();
        // Within a page it begins with its element.
        let qr_svg = qr_svg.find("<svg").map_or_else(String::new, |at| qr_svg[at..].to_owned());
        Ok(BegunFactor { secret: grouped(secret.expose_secret()), qr_svg })
    }

    /// Lets it count after a first right code; gives the recovery codes, which are shown once.
    pub async fn confirm_second(
        &self,
        db: &TenantDb,
        person: PersonId,
        code: &str,
    ) -> Result<Vec<String>, SecondError> {
        let factor = db.second_factor(person).await?.ok_or(SecondError::Wrong)?;
        if factor.confirmed_at.is_some() {
            return Err(SecondError::Already);
        }
        let step = self.step_of(&factor.secret, code).ok_or(SecondError::Wrong)?;
        let codes: Vec<String> = (0..CODES).map(|_| recovery_code()).collect();
        let hashes: Vec<TokenHash> = codes.iter().map(|code| code_hash(person, code)).collect();
        let actor = person.to_string();
        let (by, mut ids, now) = (by_person(&actor), Self::ids(), self.now());
        if !db.confirm_second_factor(person, step, &hashes, by, &mut ids, now).await? {
            return Err(SecondError::Already);
        }
        Ok(codes)
    }

    /// Makes new recovery codes in place of the old ones; they are shown once.
    pub async fn renew_codes(
        &self,
        db: &TenantDb,
        person: PersonId,
    ) -> Result<Vec<String>, SecondError> {
        let codes: Vec<String> = (0..CODES).map(|_| recovery_code()).collect();
        let hashes: Vec<TokenHash> = codes.iter().map(|code| code_hash(person, code)).collect();
        let actor = person.to_string();
        let (by, mut ids, now) = (by_person(&actor), Self::ids(), self.now());
        if !db.renew_recovery_codes(person, &hashes, by, &mut ids, now).await? {
            return Err(SecondError::Wrong);
        }
        Ok(codes)
    }

    /// Whether this is a code of now that was not used, or a recovery code that was not.
    pub(super) async fn takes_code(
        &self,
        db: &TenantDb,
        person: PersonId,
        code: &str,
    ) -> Result<bool, StoreError> {
        let Some(factor) = db.second_factor(person).await? else { return Ok(false) };
        let code = tidy(code);
        if code.len() == 6 {
            return match self.step_of(&factor.secret, &code) {
                Some(step) => db.use_step(person, step).await,
                None => Ok(false),
            };
        }
        db.use_recovery_code(person, &code_hash(person, &code), self.now()).await
    }

    /// Whether somebody who is in shows that they have their second factor; tries count as at the door.
    pub async fn shows_factor(
        &self,
        db: &TenantDb,
        person: PersonId,
        code: &str,
    ) -> Result<bool, StoreError> {
        let (before, after) = match self.count_try(db, person).await {
            Ok(counted) => counted,
            Err(PasswordError::Store(error)) => return Err(error),
            Err(_) => return Ok(false),
        };
        let shown = self.takes_code(db, person, code).await?;
        if shown {
            db.forget_try(person, after, before).await?;
        }
        Ok(shown)
    }

    /// The time step of a right code: this one, the one before or the one after.
    fn step_of(&self, secret: &SecretString, code: &str) -> Option<i64> {
        let now = u64::try_from(self.now().as_second()).ok()?;
        let step = totp(secret, "Muster", "x").ok()?.check(&tidy(code), now)?;
        i64::try_from(step).ok()
    }
}

fn totp(secret: &SecretString, company: &str, label: &str) -> Result<Totp, SecondError> {
    let secret =
        Secret::try_from_base32(secret.expose_secret()).map_err(|_| SecondError::Broken)?;
    // A colon parts the two in the address that apps read.
    let plain = |text: &str| text.replace(':', " ");
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret)
        .with_issuer(Some(plain(company)))
        .with_account_name(plain(label))
        .build()
        .map_err(|_| SecondError::Broken)
}

fn recovery_code() -> String {
    let bytes: Vec<u8> = random_seed()[..CODE_BYTES].to_vec();
    grouped(&Secret::from(bytes).to_base32().to_lowercase())
}

/// Four characters at a time, as people read them.
fn grouped(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

fn tidy(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(40).collect::<String>().to_lowercase()
}

fn code_hash(person: PersonId, code: &str) -> TokenHash {
    hashed("recovery code", &format!("{person}\n{}", tidy(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: RFC 6238, appendix B: the secret "12345678901234567890", SHA-1, the last six of eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = SecretString::from(Secret::from(*b"12345678901234567890").to_base32());
        let totp = totp(&secret, "Acme: Ltd", "ana@acme.example").expect("usable");
        for (time, code, step) in [
            (59, "287082", 1),
            (1_111_111_109, "081804", 37_037_036),
            (20_000_000_000, "353130", 666_666_666),
        ] {
            assert_eq!(totp.check(code, time), Some(step));
            assert_eq!(totp.check(code, time + 60), None, "two steps later");
        }
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let code = recovery_code();
        assert_eq!(code.len(), 19, "{code}");
        let person = PersonId::new(uuid::Uuid::from_u128(7));
        let typed = code.to_uppercase().replace(' ', "-");
        assert_eq!(code_hash(person, &typed), code_hash(person, &code));
        assert_ne!(
            code_hash(PersonId::new(uuid::Uuid::from_u128(8)), &code),
            code_hash(person, &code)
        );
    }
}
