CREATE TABLE accounts (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    internal INTEGER NOT NULL CHECK (internal IN (0, 1)),
    currency TEXT    NOT NULL CHECK (length(currency) = 3),
    balance  INTEGER NOT NULL DEFAULT 0,               -- minor units
    CHECK (internal = 1 OR balance >= 0)
) STRICT;

CREATE TABLE entries (
    id   INTEGER PRIMARY KEY,
    ref  TEXT    NOT NULL UNIQUE,                      -- posts once
    kind TEXT    NOT NULL,
    at   INTEGER NOT NULL                              -- Unix milliseconds
) STRICT;

-- Ordered by account, then entry: a statement is one short range.
CREATE TABLE postings (
    account INTEGER NOT NULL REFERENCES accounts (id),
    entry   INTEGER NOT NULL REFERENCES entries (id),
    amount  INTEGER NOT NULL CHECK (amount <> 0),      -- minor units; negative is money out
    balance INTEGER NOT NULL,                          -- of the account, after this posting
    other   INTEGER NOT NULL REFERENCES accounts (id), -- the account on the other side
    PRIMARY KEY (account, entry)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entries_stay_1 BEFORE UPDATE ON entries
    BEGIN SELECT RAISE (ABORT, 'a ledger entry is never changed'); END;
CREATE TRIGGER entries_stay_2 BEFORE DELETE ON entries
    BEGIN SELECT RAISE (ABORT, 'a ledger entry is never deleted'); END;
CREATE TRIGGER postings_stay_1 BEFORE UPDATE ON postings
    BEGIN SELECT RAISE (ABORT, 'a posting is never changed'); END;
CREATE TRIGGER postings_stay_2 BEFORE DELETE ON postings
    BEGIN SELECT RAISE (ABORT, 'a posting is never deleted'); END;
CREATE TRIGGER accounts_stay_1 BEFORE UPDATE OF id, currency, internal ON accounts
    BEGIN SELECT RAISE (ABORT, 'an account keeps its currency and its kind'); END;
CREATE TRIGGER accounts_stay_2 BEFORE DELETE ON accounts
    BEGIN SELECT RAISE (ABORT, 'an account is never deleted'); END;
