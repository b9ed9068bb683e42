package engine

// feedIndex finds the feeds of a connection by their share. Most connections have one or a few, so
// there is a list; a map comes with feedsListed. A nil index is empty.
type feedIndex struct {
	list []*feed
	by   map[*share]*feed // nil: the list is short
}

// feedsListed is up to how many feeds a look at each is no slower than a map, and a map larger than all of them.
const feedsListed = 8

func (x *feedIndex) all() []*feed {
	if x == nil {
		return nil
	}
	return x.list
}

func (x *feedIndex) find(sh *share) *feed {
	if x == nil {
		return nil
	}
	if x.by != nil {
		return x.by[sh]
	}
	for _, f := range x.list {
		if f.share == sh {
			return f
		}
	}
	return nil
}

func (x *feedIndex) add(f *feed) {
	f.place = len(x.list)
	x.list = append(x.list, f)
	if x.by != nil {
		x.by[f.share] = f
		return
	}
	if len(x.list) > feedsListed {
		x.by = make(map[*share]*feed)
		for _, f := range x.list {
			x.by[f.share] = f
		}
	}
}

func (x *feedIndex) remove(f *feed) {
	last := len(x.list) - 1
	x.list[f.place] = x.list[last]
	x.list[f.place].place = f.place
	x.list[last] = nil
	x.list = x.list[:last]
	if x.by != nil {
		delete(x.by, f.share)
	}
}
