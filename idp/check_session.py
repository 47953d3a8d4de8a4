"""The frame in which a client's page asks whether the session is still the same.

Every page may frame it: that is its purpose. It shows nothing, takes nothing but a client's own
`session_state`, and answers with one word.

Source:
    OpenID Connect Session Management 1.0, 3.2 and 3.3.
"""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from idp.cookies import BROWSER_STATE_COOKIE
from idp.session_state import CHECK_SESSION_PATH

CHECK_SCRIPT_PATH = f"{CHECK_SESSION_PATH}/check.js"

_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Civitas</title><script src="{CHECK_SCRIPT_PATH}"></script></head>
</html>
"""

_POLICY = (
    "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *"
)

# SHA-256 (FIPS 180-4, 6.2) in full: browsers lend theirs to pages over https only, and later than
# the answer is due. What is hashed is ASCII.
CHECK_SCRIPT = (
    """\
(function () {
  "use strict";
  var COOKIE = /(?:^|; )(?:__Secure-)?NAME=([A-Za-z0-9_-]*)/;
  var ROUNDS = [], START = [];
  (function () {
    for (var n = 2; ROUNDS.length < 64; n++) {
      var prime = true;
      for (var d = 2; d * d <= n; d++) { if (n % d === 0) { prime = false; } }
      if (!prime) { continue; }
      if (START.length < 8) { START.push(fraction(Math.sqrt(n))); }
      ROUNDS.push(fraction(Math.cbrt(n)));
    }
  }());
  function fraction(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
  function turn(x, n) { return (x >>> n) | (x << (32 - n)); }
  function sha256(text) {
    var words = [], length = text.length, i, t;
    for (i = 0; i < length; i++) {
      words[i >> 2] = (words[i >> 2] || 0) | (text.charCodeAt(i) & 255) << (24 - 8 * (i % 4));
    }
    words[length >> 2] = (words[length >> 2] || 0) | 128 << (24 - 8 * (length % 4));
    var total = (((length + 8) >> 6) + 1) * 16;
    words[total - 1] = length * 8;
    var hash = START.slice();
    for (var block = 0; block < total; block += 16) {
      var w = [], v = hash.slice();
      for (t = 0; t < 64; t++) {
        if (t < 16) {
          w[t] = words[block + t] | 0;
        } else {
          var a = w[t - 15], b = w[t - 2];
          w[t] = ((turn(b, 17) ^ turn(b, 19) ^ (b >>> 10)) + w[t - 7] +
                  (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[t - 16]) | 0;
        }
        var one = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) +
                  ((v[4] & v[5]) ^ (~v[4] & v[6])) + ROUNDS[t] + w[t];
        var two = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) +
                  ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        v = [(one + two) | 0, v[0], v[1], v[2], (v[3] + one) | 0, v[4], v[5], v[6]];
      }
      for (i = 0; i < 8; i++) { hash[i] = (hash[i] + v[i]) | 0; }
    }
    return hash.map(function (x) {
      return ("0000000" + (x >>> 0).toString(16)).slice(-8);
    }).join("");
  }
  window.addEventListener("message", function (event) {
    if (event.source === window || typeof event.data !== "string") { return; }
    var asked = /^([\\x21-\\x7e]+) ([0-9a-f]{64})\\.([A-Za-z0-9_-]+)$/.exec(event.data);
    var answer = "error";
    if (asked) {
      var cookie = COOKIE.exec(document.cookie);
      var text = [asked[1], event.origin, cookie ? cookie[1] : "", asked[3]].join(" ");
      answer = sha256(text) === asked[2] ? "unchanged" : "changed";
    }
    event.source.postMessage(answer, event.origin);
  });
}());
"""
).replace("NAME", BROWSER_STATE_COOKIE)

router = APIRouter(tags=["OpenID Connect"])


@router.get(CHECK_SESSION_PATH, response_class=HTMLResponse)
def check_session() -> Response:
    """Return the page that clients frame."""
    return HTMLResponse(
        _PAGE,
        headers={"Content-Security-Policy": _POLICY, "Cache-Control": "public, max-age=300"},
    )


@router.get(CHECK_SCRIPT_PATH, include_in_schema=False)
def check_script() -> Response:
    """Return its script."""
    return Response(
        CHECK_SCRIPT,
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=300"},
    )
