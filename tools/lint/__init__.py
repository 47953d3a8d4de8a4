"""Our own rules over the syntax tree: what review or an incident taught us once.

Each rule is one file in `rules/`; its docstring tells the bug, what is flagged and what is not. A
line may opt out by name and with a reason, so that the exception is visible where it is made:

    return RedirectResponse(target)  # lint: redirect-from-request: registered, see checks.py
"""
