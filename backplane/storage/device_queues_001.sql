-- Device queues, version 1. Times are UTC milliseconds; ids are 16 bytes.
CREATE TABLE queues (
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    last_position INTEGER NOT NULL DEFAULT 0,
    opened_at INTEGER NOT NULL,
    PRIMARY KEY (account, device)
) WITHOUT ROWID;

CREATE TABLE entries (
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    position INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    key BLOB,
    payload BLOB NOT NULL,
    PRIMARY KEY (account, device, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX entries_key ON entries (account, device, key) WHERE key IS NOT NULL;
CREATE INDEX entries_expiry ON entries (expires_at);

-- What a retry is recognised by.
CREATE TABLE sends (
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    message BLOB NOT NULL,
    conversation BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account, device, message)
) WITHOUT ROWID;
CREATE INDEX sends_expiry ON sends (expires_at);

CREATE TABLE sequences (
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (account, device, conversation)
) WITHOUT ROWID;

CREATE TABLE probe (only INTEGER PRIMARY KEY CHECK (only = 1), count INTEGER NOT NULL);
INSERT INTO probe VALUES (1, 0);
