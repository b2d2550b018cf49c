// Package loop has the wrong logger.
package loop

import (
	_ "log" // want std-log allow-list
	_ "log/slog"
)
