// Package timer logs, and core does not.
package timer

import _ "log/slog" // want std-log allow-list
