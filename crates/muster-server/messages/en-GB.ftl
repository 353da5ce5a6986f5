# What differs in the English of Great Britain.

refused-other-issuer-text = The sign-in came from an Okta organisation that is not the one of this company.
refused-denied-text = You cancelled, or a rule of your company in Okta does not let you in from here.
