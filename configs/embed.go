package configs

import (
	"embed"
	"io/fs"
)

//go:embed texts/*.yaml dialects/*.yaml menus/*.yaml
var embedded embed.FS

// Texts is the directory of the texts that the binary carries: one file a
// language, named by its code.
var Texts = sub("texts")

// Dialects is the directory of the USSD dialects that the binary carries: one file a
// dialect, named by it. Package smpp/dialect reads them.
var Dialects = sub("dialects")

// Menus is the directory of the USSD menus that the binary carries: menu.yaml, and
// one file a language.
var Menus = sub("menus")

// sub is a directory of what is embedded; the compiler has seen that it exists.
func sub(dir string) fs.FS {
	f, err := fs.Sub(embedded, dir)
	if err != nil {
		return embedded
	}
	return f
}
