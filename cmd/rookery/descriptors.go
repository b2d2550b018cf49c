package main

import "golang.org/x/sys/unix"

const (
	descriptorsSpare = 64     // the standard ones, locks, listeners, HTTP, the runtime's own
	handlesFew       = 16     // a disk gets on with, slowly
	handlesMany      = 30_000 // beyond which a mapping each would come near to vm.max_map_count
)

// descriptorLimit is how many descriptors this process may have. Go has raised the soft limit to the hard one.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what Linux gives if nobody says
	}
	return int(min(limit.Cur, 1<<30))
}

// shares divides the process's descriptors between files and connections, so that neither ever takes the other's. Of
// files that are unlinked while they are sent there may be a quarter more. Of 20,000, what many systems give at most, ten thousand
// connections have their place.
func shares(limit int) (handles, connections int) {
	handles = min(max((limit-descriptorsSpare)*3/8, handlesFew), handlesMany)
	return handles, max(limit-descriptorsSpare-handles-max(handles/4, handlesFew), 1)
}
