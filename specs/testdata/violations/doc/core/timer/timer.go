package timer // want doc

type Wheel struct { // want doc
	spokes int
}

func (Wheel) Turn() {} // want doc
func (Wheel) Stop() {}

func (Wheel) String() string { return "" }

type inner struct{}

func (inner) Exported() {}
