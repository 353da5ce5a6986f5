//! Okta's pages, as plain as they can be: no scripts, no pictures, readable by anybody.

use crate::api::answer::Answer;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:38rem;padding:0 1rem}\
    button{font:inherit;padding:.3rem .8rem}ul{list-style:none;padding:0}li{margin:.5rem 0}";

/// A page with this title, which is its heading too; `body` is HTML.
pub(super) fn page(status: u16, title: &str, body: &str) -> Answer {
    let title = escape(title);
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         {body}\n</main>\n</body>\n</html>\n"
    );
    Answer::html(status, text)
}

/// Okta's error page, for what must not be sent to an app. Source: Okta's list of errors at the callback: a wrong client or
/// redirect URI is shown by Okta itself.
pub(super) fn error(status: u16, code: &str, text: &str) -> Answer {
    let body = format!(
        "<p>Your request resulted in an error. {}</p>\n<p><code>{}</code></p>",
        escape(text),
        escape(code)
    );
    page(status, &format!("Error {status}"), &body)
}

/// A field that people do not see.
pub(super) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
}

/// Text inside HTML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
