"""The one family of errors that a user can mend, and how a command shows them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend: the message says what, where and which command helps."""


def run_command(main: Callable[[], int]) -> int:
    """Run a command's `main` and turn what the user can mend into one line and status 2.

    UserError and a full disk become one line on stderr; Ctrl-C becomes status 130, as shells
    do. Any other exception is a bug and keeps its traceback.
    """
    try:
        return main()
    except UserError as error:
        message = str(error)
    except BrokenPipeError:
        # the reader of our output went away (`| head`); silence the flush at exit too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
            raise
        message = f"{error.filename or 'output'}: {error.strerror}; what was there before is kept"
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
