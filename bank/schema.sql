-- The bank's own tables; the ledger's are ledger.Schema. Times are Unix
-- milliseconds. Nothing but customers is ever changed, and nothing deleted:
-- the rest are records. Each is looked up by its primary key alone, so that no
-- cost grows with the history.

CREATE TABLE customers (
    msisdn    TEXT    PRIMARY KEY CHECK (msisdn <> '' AND msisdn NOT GLOB '*[^0-9]*'),
    imsi      TEXT    NOT NULL CHECK (imsi <> '' AND imsi NOT GLOB '*[^0-9]*'),
    name      TEXT    NOT NULL,
    account   INTEGER NOT NULL UNIQUE REFERENCES accounts (id),
    blocked   INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1)),
    pin_salt  BLOB    NOT NULL,
    pin_value BLOB    NOT NULL,                        -- see vault
    pin_wrong INTEGER NOT NULL DEFAULT 0,              -- wrong ones since the last right one
    spent     INTEGER NOT NULL DEFAULT 0,              -- minor units, on spent_on
    spent_on  TEXT    NOT NULL DEFAULT '',             -- the bank's local day, 2006-01-02
    lookups   INTEGER NOT NULL DEFAULT 0,              -- names asked for, on looked_on
    looked_on TEXT    NOT NULL DEFAULT ''
) STRICT;

-- Every serial that was ever opened, with the IMSI and the MSISDN that it was
-- opened for. A serial begins with operator, node and boot number, so that the
-- largest of a node is the largest boot number that the bank has seen of it.
CREATE TABLE openings (
    operator    TEXT    NOT NULL,
    serial      BLOB    NOT NULL CHECK (length(serial) = 16),
    imsi        TEXT    NOT NULL,
    msisdn      TEXT    NOT NULL,
    imsi_source INTEGER NOT NULL,
    opened      INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    PRIMARY KEY (operator, serial)
) STRICT, WITHOUT ROWID;

-- What became of every transaction, whatever the serials it came under.
CREATE TABLE transactions (
    operator TEXT    NOT NULL,
    txid     BLOB    NOT NULL CHECK (length(txid) = 16),
    msisdn   TEXT    NOT NULL,
    kind     INTEGER NOT NULL,
    digest   BLOB,                                     -- of the request; NULL if voided before it came
    outcome  INTEGER NOT NULL,
    reply    TEXT    NOT NULL,                         -- JSON of link.Reply
    at       INTEGER NOT NULL,
    PRIMARY KEY (operator, txid)
) STRICT;

-- The sealed reply of every serial, for a request that comes again.
CREATE TABLE exchanges (
    operator TEXT NOT NULL,
    serial   BLOB NOT NULL,
    hash     BLOB NOT NULL,                            -- SHA-256 of the sealed request
    txid     BLOB NOT NULL,                            -- the transaction executed or asked about
    sealed   BLOB NOT NULL,
    PRIMARY KEY (operator, serial)
) STRICT;
