//! Okta's filter and search expressions.

use serde_json::Value;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Test { attribute: String, op: Op, value: Value },
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    StartsWith,
    EndsWith,
    Contains,
    Present,
}

/// Why an expression was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadFilter {
    Syntax,
    /// An attribute that this listing does not know.
    Attribute(String),
    /// A comparison that this attribute does not know.
    Operator(String),
}

impl Filter {
    /// Reads an expression.
    pub(crate) fn parse(text: &str) -> Result<Self, BadFilter> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens };
        let filter = parser.any()?;
        if parser.tokens.is_empty() { Ok(filter) } else { Err(BadFilter::Syntax) }
    }

    /// Whether a thing matches; `values` gives all values of an attribute.
    pub(crate) fn matches(&self, values: &impl Fn(&str) -> Vec<Value>) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.matches(values)),
            Self::All(parts) => parts.iter().all(|part| part.matches(values)),
            Self::Not(part) => !part.matches(values),
            Self::Test { attribute, op, value } => {
                let found = values(attribute);
                match op {
                    Op::Present => found.iter().any(|found| !found.is_null()),
                    Op::Ne => !found.iter().any(|found| holds(found, Op::Eq, value)),
                    _ => found.iter().any(|found| holds(found, *op, value)),
                }
            }
        }
    }

    /// Checks every test of the expression.
    pub(crate) fn check(
        &self,
        allowed: &impl Fn(&str, Op) -> Result<(), BadFilter>,
    ) -> Result<(), BadFilter> {
        match self {
            Self::Any(parts) | Self::All(parts) => {
                parts.iter().try_for_each(|part| part.check(allowed))
            }
            Self::Not(part) => part.check(allowed),
            Self::Test { attribute, op, .. } => allowed(attribute, *op),
        }
    }
}

/// Texts are compared without regard to case, times by their text.
fn holds(found: &Value, op: Op, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => {
            let order = found.as_f64().partial_cmp(&wanted.as_f64());
            order.is_some_and(|order| fits(op, order))
        }
        (Value::Bool(found), Value::Bool(wanted)) => op == Op::Eq && found == wanted,
        (Value::String(found), Value::String(wanted)) => {
            let (found, wanted) = (found.to_lowercase(), wanted.to_lowercase());
            match op {
                Op::StartsWith => found.starts_with(&wanted),
                Op::EndsWith => found.ends_with(&wanted),
                Op::Contains => found.contains(&wanted),
                _ => fits(op, found.cmp(&wanted)),
            }
        }
        (Value::Array(items), wanted) => items.iter().any(|item| holds(item, op, wanted)),
        _ => false,
    }
}

fn fits(op: Op, order: std::cmp::Ordering) -> bool {
    match op {
        Op::Eq => order.is_eq(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        _ => false,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
    Text(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, BadFilter> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(&letter) = letters.peek() {
        match letter {
            '(' | ')' => {
                letters.next();
                found.push(if letter == '(' { Token::Open } else { Token::Close });
            }
            '"' => {
                letters.next();
                let mut value = String::new();
                loop {
                    match letters.next().ok_or(BadFilter::Syntax)? {
                        '"' => break,
                        '\\' => value.push(letters.next().ok_or(BadFilter::Syntax)?),
                        other => value.push(other),
                    }
                }
                found.push(Token::Text(value));
            }
            letter if letter.is_whitespace() => {
                letters.next();
            }
            _ => {
                let mut word = String::new();
                while let Some(&letter) = letters.peek() {
                    if letter.is_whitespace() || matches!(letter, '(' | ')' | '"') {
                        break;
                    }
                    word.push(letter);
                    letters.next();
                }
                found.push(Token::Word(word));
            }
        }
    }
    Ok(found)
}

struct Parser<'a> {
    tokens: &'a [Token],
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Filter, BadFilter> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Any(parts) })
    }

    fn all(&mut self) -> Result<Filter, BadFilter> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    fn one(&mut self) -> Result<Filter, BadFilter> {
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        match self.next()? {
            Token::Open => {
                let inner = self.any()?;
                match self.next()? {
                    Token::Close => Ok(inner),
                    _ => Err(BadFilter::Syntax),
                }
            }
            Token::Word(attribute) => {
                let Token::Word(op) = self.next()? else { return Err(BadFilter::Syntax) };
                let op = op_of(&op).ok_or(BadFilter::Syntax)?;
                if op == Op::Present {
                    return Ok(Filter::Test { attribute, op, value: Value::Null });
                }
                let value = match self.next()? {
                    Token::Text(text) => Value::String(text),
                    Token::Word(word) => {
                        serde_json::from_str(&word).map_err(|_| BadFilter::Syntax)?
                    }
                    Token::Open | Token::Close => return Err(BadFilter::Syntax),
                };
                Ok(Filter::Test { attribute, op, value })
            }
            Token::Close | Token::Text(_) => Err(BadFilter::Syntax),
        }
    }

    fn next(&mut self) -> Result<Token, BadFilter> {
        let (first, rest) = self.tokens.split_first().ok_or(BadFilter::Syntax)?;
        self.tokens = rest;
        Ok(first.clone())
    }

    fn word(&mut self, wanted: &str) -> bool {
        match self.tokens.split_first() {
            Some((Token::Word(word), rest)) if word.eq_ignore_ascii_case(wanted) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

fn op_of(word: &str) -> Option<Op> {
    Some(match word.to_ascii_lowercase().as_str() {
        "eq" => Op::Eq,
        "ne" => Op::Ne,
        "gt" => Op::Gt,
        "ge" => Op::Ge,
        "lt" => Op::Lt,
        "le" => Op::Le,
        "sw" => Op::StartsWith,
        "ew" => Op::EndsWith,
        "co" => Op::Contains,
        "pr" => Op::Present,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_match_as_written() {
        let person = |name: &str| match name {
            "status" => vec![json!("ACTIVE")],
            "profile.city" => vec![json!("Osaka")],
            "profile.level" => vec![json!(3)],
            "target.id" => vec![json!("00u1"), json!("0oa1")],
            _ => vec![],
        };
        #[rustfmt::skip]
        let cases = [
            (r#"status eq "ACTIVE""#, true),
            (r#"status eq "active" and profile.city sw "osa""#, true),
            (r#"status eq "STAGED" or profile.city eq "Osaka""#, true),
            (r#"status eq "STAGED" or profile.city eq "Osaka" and profile.level gt 3"#, false),
            (r#"(status eq "STAGED" or profile.city eq "Osaka") and profile.level ge 3"#, true),
            (r#"not (status eq "ACTIVE")"#, false),
            (r"profile.city pr", true),
            (r"profile.country pr", false),
            (r#"target.id eq "0oa1""#, true),
            (r#"target.id ne "0oa1""#, false),
        ];
        for (text, expected) in cases {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.matches(&person), expected, "case: {text}");
        }
    }

    #[test]
    fn broken_expressions_are_refused() {
        for text in [
            "",
            "status",
            "status eq",
            r#"status like "x""#,
            r#"(status eq "x""#,
            r#"status eq "x"#,
            r#"a eq "b" c"#,
        ] {
            assert_eq!(Filter::parse(text), Err(BadFilter::Syntax), "case: {text}");
        }
    }
}
