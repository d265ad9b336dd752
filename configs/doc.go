// Package configs reads the configuration of a role and says everything that
// is wrong with it at once: which key, which line, what would be right.
//
//	var cfg gateway.Config
//	err := configs.Load("configs/gateway.yaml", &cfg)
//
// A configuration is a struct with mapstructure tags in snake_case, made of
// nested structs, slices, strings, numbers, bools, [time.Duration] ("5s"),
// [secret.Value] and types with an UnmarshalText. Maps and pointers are
// refused: they have no fixed set of keys to check against, or no place for
// defaults. A struct may have two methods, with a pointer receiver, at any
// depth:
//
//	SetDefaults()            called before the file is read, inner structs first
//	Validate() []Problem     called last; keys relative to that struct
//
// Neither calls those of its nested structs: Load does.
//
// # Sources
//
// The file is YAML of one document. Every scalar key can be overridden by an
// environment variable: STARHASH_ and the key in capitals, its dots and list
// indices as underscores. redis.url is STARHASH_REDIS_URL, smpp.binds[0].password
// is STARHASH_SMPP_BINDS_0_PASSWORD; elements can be changed that way, not
// added. An empty variable counts as unset. STARHASH_ variables that name no
// key are ignored, because the roles share an environment and not their keys.
//
// # Files
//
// A relative value of a key named file or database, or ending in _file or _dir,
// is relative to the directory of the configuration file, wherever it comes from:
// file, environment or default. ":memory:" and "file:" URIs of a database stay
// as they are. Beside a secret x there may be a key x_file: Load reads the
// secret from that file, and both written at once is an error.
//
// # What is refused
//
// Unknown and repeated keys, values of another type, and text that YAML would
// change on the way: 0012 (10), 1e3 (1000), yes and no have to be quoted where
// text is meant. No error holds a secret's value. What does not decode is left
// out, and the rest is validated all the same, so that one run shows every
// problem.
package configs
