"""What a person does in their own account, one module per use case.

Every look at their data is written down (promise 1). Everything here is scoped by the person of the
session: another person's document, consent or entry is as unknown as one that never was. Whoever
the register found to be one with others sees what belongs to any of them, for as long as that
stands.
"""
