package ussd

// checker finds what is wrong with menus that could be read.
type checker struct {
	*loader
	m *Menus
}

func (c *checker) check() {
}
