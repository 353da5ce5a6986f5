//! Accounts in a CSV file: read all or nothing, every mistake told with its line.

use std::collections::BTreeMap;

use jiff::civil::Date;
use muster_core::name::Name;
use muster_core::person::Role;
use muster_store::accounts::NewAccount;

use super::exit::CliError;
use super::words;

pub(super) const HELP: &str = "The first line names the columns: email, first_name, last_name, and optionally role \
(owner, admin, hr, learner), title, start_date (2026-11-23), employee_number, team, location and language. One account a \
line, separated by commas, semicolons or tabs, in UTF-8.";

/// Mistakes told at once; whoever made more will see the pattern.
const TOLD: usize = 20;

/// A text longer than this is refused, as anywhere else.
const CHARACTERS_MAX: usize = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Email,
    FirstName,
    LastName,
    Role,
    Title,
    StartDate,
    EmployeeNumber,
    Team,
    Location,
    Language,
}

impl Column {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Email, "email"),
        (Self::FirstName, "first_name"),
        (Self::LastName, "last_name"),
        (Self::Role, "role"),
        (Self::Title, "title"),
        (Self::StartDate, "start_date"),
        (Self::EmployeeNumber, "employee_number"),
        (Self::Team, "team"),
        (Self::Location, "location"),
        (Self::Language, "language"),
    ];
}

/// Reads all accounts of a file, each with the number of its line.
pub(super) fn parse(text: &str) -> Result<Vec<(u64, NewAccount)>, CliError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let Some(head) = records.next() else {
        return Err(refused([(
            1,
            "the file is empty; its first line names the columns".to_owned(),
        )]));
    };
    let columns = columns(&head.map_err(|error| unreadable(&error))?)?;
    let mut accounts = Vec::new();
    let mut mistakes = Vec::new();
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for record in records {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != columns.len() {
            let (has, wanted) = (record.len(), columns.len());
            mistakes.push((
                line,
                format!("there are {has} values here, and {wanted} columns in the first line"),
            ));
            continue;
        }
        let values: BTreeMap<Column, &str> = columns
            .iter()
            .copied()
            .zip(record.iter())
            .filter(|(_, value)| !value.is_empty())
            .collect();
        match account(&values) {
            Ok(account) => accounts.push((line, account)),
            Err(wrong) => mistakes.extend(wrong.into_iter().map(|what| (line, what))),
        }
    }
    if !mistakes.is_empty() {
        return Err(refused(mistakes));
    }
    if accounts.is_empty() {
        return Err(refused([(2, "there is nobody in the file".to_owned())]));
    }
    Ok(accounts)
}

/// Counts lines as an editor does. The reader's own count is that of the line end before a record.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at or, behind line ends, right after `byte`. Records come in order.
    fn of(&mut self, byte: u64) -> u64 {
        let start = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(c) = self.text.get(self.at)
            && (self.at < start || matches!(c, b'\r' | b'\n'))
        {
            self.line += u64::from(*c == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// The error of a file with mistakes, each at its line.
pub(super) fn refused(mistakes: impl IntoIterator<Item = (u64, String)>) -> CliError {
    let mut lines: Vec<String> =
        mistakes.into_iter().map(|(line, what)| format!("\n  line {line}: {what}")).collect();
    if lines.len() > TOLD {
        let more = format!("\n  … and {} more", lines.len() - TOLD);
        lines.truncate(TOLD);
        lines.push(more);
    }
    CliError::Usage(format!("nobody was added:{}", lines.concat()))
}

fn unreadable(error: &csv::Error) -> CliError {
    let line = error.position().map_or(0, csv::Position::line);
    refused([(line, "this line cannot be read as CSV".to_owned())])
}

/// What separates the values: whatever the first line has most of.
fn delimiter(text: &str) -> u8 {
    let head = text.lines().next().unwrap_or_default();
    let many = |c: char| head.matches(c).count();
    [b';', b'\t']
        .into_iter()
        .filter(|c| many(char::from(*c)) > many(','))
        .max_by_key(|c| many(char::from(*c)))
        .unwrap_or(b',')
}

fn columns(head: &csv::StringRecord) -> Result<Vec<Column>, CliError> {
    let mut columns = Vec::new();
    let mut mistakes = Vec::new();
    for name in head {
        let key = name.to_lowercase().replace([' ', '-'], "_");
        match Column::ALL.iter().find(|(_, known)| *known == key) {
            Some((column, _)) if columns.contains(column) => {
                mistakes.push((1, format!("the column {key} is there twice")));
            }
            Some((column, _)) => columns.push(*column),
            None => {
                let known: Vec<&str> = Column::ALL.iter().map(|(_, name)| *name).collect();
                mistakes
                    .push((1, format!("{name:?} is not a column; there are {}", known.join(", "))));
            }
        }
    }
    for (column, name) in &Column::ALL[..3] {
        if !columns.contains(column) {
            mistakes.push((1, format!("the column {name} is missing")));
        }
    }
    if mistakes.is_empty() { Ok(columns) } else { Err(refused(mistakes)) }
}

fn account(values: &BTreeMap<Column, &str>) -> Result<NewAccount, Vec<String>> {
    let mut wrong = Vec::new();
    let text = |column: Column| values.get(&column).copied();
    for (column, value) in values {
        let name =
            Column::ALL.iter().find(|(known, _)| known == column).map_or("", |(_, name)| *name);
        if value.chars().count() > CHARACTERS_MAX {
            wrong.push(format!("{name} is longer than {CHARACTERS_MAX} characters"));
        } else if value.chars().any(char::is_control) {
            wrong.push(format!("there are control characters or line breaks in {name}"));
        }
    }
    let email = text(Column::Email)
        .ok_or_else(|| "there is no e-mail address".to_owned())
        .and_then(words::email)
        .map_err(|bad| wrong.push(bad))
        .ok();
    if text(Column::FirstName).is_none() && text(Column::LastName).is_none() {
        wrong.push("there is no name".to_owned());
    }
    let role = match text(Column::Role) {
        Some(word) => {
            words::role(word).map_err(|bad| wrong.push(format!("role {word:?} {bad}"))).ok()
        }
        None => Some(Role::Learner),
    };
    let start_date = text(Column::StartDate).and_then(|date| {
        let read = date.parse::<Date>();
        read.map_err(|_| {
            wrong.push(format!("start_date {date:?} is not a date such as 2026-11-23"));
        })
        .ok()
    });
    let language = text(Column::Language).map(str::to_owned);
    if let Some(tag) = &language
        && !is_language(tag)
    {
        wrong.push(format!("language {tag:?} is not a tag such as en-GB"));
    }
    let (Some(email), Some(role), true) = (email, role, wrong.is_empty()) else {
        return Err(wrong);
    };
    let owned = |column: Column| text(column).map(str::to_owned);
    Ok(NewAccount {
        email,
        role,
        first_name: owned(Column::FirstName).unwrap_or_default(),
        last_name: owned(Column::LastName).unwrap_or_default(),
        title: owned(Column::Title),
        language,
        location: text(Column::Location).and_then(Name::parse),
        team: text(Column::Team).and_then(Name::parse),
        start_date,
        employee_number: owned(Column::EmployeeNumber),
    })
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split(['-', '_']);
    let language = parts.next().is_some_and(|part| {
        (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
    });
    language
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Reads a name: one line, of a length that fits.
pub(super) fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() > CHARACTERS_MAX {
        return Err(format!("a name has at most {CHARACTERS_MAX} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("there are control characters in this name".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match parse(text) {
            Ok(rows) => {
                let of = |(line, one): &(u64, NewAccount)| {
                    format!(
                        "{line} {} {}/{} {}",
                        one.email.shown(),
                        one.first_name,
                        one.last_name,
                        one.role
                    )
                };
                rows.iter().map(of).collect::<Vec<_>>().join("\n")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_as_people_save_them() {
        let want = "2 ana@acme.example Ana/Ito learner";
        for text in [
            "email,first_name,last_name\nana@acme.example,Ana,Ito\n",
            "\u{feff}Email;First name;Last-Name\r\nana@acme.example;Ana;Ito\r\n",
            "last_name\tfirst_name\temail\nIto\tAna\tana@acme.example",
            "email,first_name,last_name\n ana@acme.example , Ana ,Ito\n,,\n\n",
        ] {
            assert_eq!(told(text), want, "{text:?}");
        }
        let quoted = "email,first_name,last_name,title,role\nana@acme.example,Ana,\"Ito, Dr.\",\"Lead \"\"A\"\"\",HR\n";
        assert_eq!(told(quoted), "2 ana@acme.example Ana/Ito, Dr. hr");
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let head = "email,first_name,last_name,role,start_date,language";
        #[rustfmt::skip]
        let cases = [
            (String::new(),                                      "line 1: the file is empty"),
            ("email,first_name\n".into(),                        "line 1: the column last_name is missing"),
            ("email,first_name,last_name,wage\n".into(),         "line 1: \"wage\" is not a column"),
            ("email,first_name,last_name,email\n".into(),        "line 1: the column email is there twice"),
            (format!("{head}\n"),                                "line 2: there is nobody in the file"),
            (format!("{head}\nana,Ana,Ito,,,"),                  "line 2: \"ana\" is not an e-mail address"),
            (format!("{head}\na@b.example,A,B,boss,,"),          "line 2: role \"boss\" must be one of owner, admin, hr, learner"),
            (format!("{head}\na@b.example,A,B,,31/02/2026,"),    "line 2: start_date \"31/02/2026\" is not a date"),
            (format!("{head}\na@b.example,A,B,,,english!"),      "line 2: language \"english!\" is not a tag"),
            (format!("{head}\na@b.example,A,B"),                 "line 2: there are 3 values here, and 6 columns"),
            (format!("{head}\na@b.example,,,,,"),                "line 2: there is no name"),
            (format!("{head}\n\n,A,B,,,"),                       "line 3: there is no e-mail address"),
            (format!("{head}\na@b.example,\"A\nB\",C,,,"),       "line 2: there are control characters or line breaks in first_name"),
        ];
        for (text, want) in cases {
            let told = told(&text);
            assert!(
                told.starts_with("nobody was added:") && told.contains(want),
                "{text:?}: {told}"
            );
        }
        let many = format!("{head}\n{}", "x,,,,,\n".repeat(30));
        assert!(told(&many).ends_with("… and 40 more"), "{}", told(&many));
    }
}
