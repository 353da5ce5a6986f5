//! Mail: plain text by SMTP, to people who must do something.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

use crate::config::{Config, SmtpTls, SmtpUrl};

/// A server that does not answer a command within this time is not there.
const COMMAND: Duration = Duration::from_secs(20);

/// One mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    /// Plain text, its lines as they are to be read.
    pub body: String,
    /// Names the letter for ever: sent twice by mistake, mail programs show it once.
    pub id: String,
}

/// Nothing of the text: who gets a mail and why concerns no log.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server does not want this mail, now or later. The text never names the address.
    #[error("the mail server refuses this mail for good")]
    Refused(#[source] lettre::transport::smtp::Error),
    /// An address or a subject that cannot be one.
    #[error("this mail cannot be written: {0}")]
    Unwritable(&'static str),
    /// The server is not there, does not take the password, or wants it tried again.
    #[error("the mail server does not take mail now")]
    NotNow(#[source] lettre::transport::smtp::Error),
}

impl MailError {
    /// Whether trying again can help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NotNow(_))
    }

    /// Whether the server said nothing at all: nobody's mail would leave now.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::NotNow(error) if error.status().is_none())
    }

    /// The server's answer as a number (RFC 5321 4.2), if it gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(error) | Self::NotNow(error) => error.status().map(u16::from),
            Self::Unwritable(_) => None,
        }
    }
}

/// Why mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
#[error("mail cannot be set up: {0}")]
pub struct NoMail(String);

/// Sends mail. Clones share their connections.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer as the configuration says; `None` when none is configured. Nothing is called yet.
    pub fn of(config: &Config) -> Result<Option<Self>, NoMail> {
        let (Some(url), Some(from)) = (&config.smtp_url, &config.mail_from) else {
            return Ok(None);
        };
        Self::new(url, from).map(Some)
    }

    /// A mailer that gives mail to the server at `url`, in the name of `from`.
    pub fn new(url: &SmtpUrl, from: &str) -> Result<Self, NoMail> {
        let from = from.parse::<Mailbox>().map_err(|bad| NoMail(format!("the sender: {bad}")))?;
        let tls = || TlsParameters::new(url.host.clone()).map_err(|bad| NoMail(bad.to_string()));
        let tls = match url.tls {
            SmtpTls::Wrapped => Tls::Wrapper(tls()?),
            SmtpTls::Required => Tls::Required(tls()?),
            SmtpTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&url.host)
            .port(url.port)
            .tls(tls)
            .timeout(Some(COMMAND));
        if let Some((user, password)) = &url.credentials {
            let password = password.expose_secret().to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self { transport: builder.build(), from })
    }

    /// Gives one letter to the mail server.
    pub async fn send(&self, letter: &Letter, now: Timestamp) -> Result<(), MailError> {
        let message = self.message(letter, now)?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            // A refused password is a setting that somebody may mend while the mail waits.
            Err(error) if error.is_permanent() && !is_about_us(&error) => {
                Err(MailError::Refused(error))
            }
            Err(error) => Err(MailError::NotNow(error)),
        }
    }

    fn message(&self, letter: &Letter, now: Timestamp) -> Result<Message, MailError> {
        let to = letter.to.parse::<Address>().map_err(|_| MailError::Unwritable("the address"))?;
        let host = self.from.email.domain();
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        // RFC 3834: so that no absence note answers.
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&letter.subject))
            .date(SystemTime::from(now))
            .message_id(Some(format!("<{}@{host}>", letter.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.clone())
            .map_err(|_| MailError::Unwritable("the text"))?;
        message.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Ok(message)
    }
}

/// 530, 534, 535 and 538 speak of our own sign-in, 500 to 504 of the conversation, 421 and 454 of the server. None of them is about
/// the letter. Source: RFC 5321 4.2.3, RFC 4954 6.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| {
        let code = u16::from(code);
        matches!(code, 500..=504 | 530 | 534 | 535 | 538)
    })
}

/// A header is one line, whatever somebody called their company.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn mailer() -> Mailer {
        let url = SmtpUrl {
            host: "127.0.0.1".to_owned(),
            port: 25,
            tls: SmtpTls::None,
            credentials: Some(("ana".to_owned(), SecretString::from("s3cret"))),
        };
        Mailer::new(&url, "Muster <muster@acme.example>").expect("a mailer")
    }

    fn letter() -> Letter {
        Letter {
            to: "olga@acme.example".to_owned(),
            subject: "Büro: x\r\nBcc: evil@acme.example".to_owned(),
            body: "Zeile eins – gut.\n.\nFrom here\n".to_owned(),
            id: "alarm-1".to_owned(),
        }
    }

    #[test]
    fn a_letter_is_written_once_and_for_all() {
        let now = "2026-11-24T12:00:00Z".parse().expect("a time");
        let text =
            String::from_utf8(mailer().message(&letter(), now).expect("written").formatted());
        let text = text.expect("text");
        for line in [
            "From: Muster <muster@acme.example>\r\n",
            "To: olga@acme.example\r\n",
            "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n",
            "Message-ID: <alarm-1@acme.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_before_anything_is_called() {
        let now = "2026-11-24T12:00:00Z".parse().expect("a time");
        for bad in ["", "nobody", "a@b\r\nRCPT TO:<evil@acme.example>"] {
            let error = mailer().message(&Letter { to: bad.to_owned(), ..letter() }, now);
            assert!(matches!(error, Err(MailError::Unwritable(_))), "{bad:?}");
        }
    }

    #[test]
    fn neither_password_nor_text_is_shown() {
        let shown = format!("{:?} {:?}", mailer(), letter());
        assert!(
            !shown.contains("s3cret") && !shown.contains("Zeile") && !shown.contains("olga"),
            "{shown}"
        );
    }
}
