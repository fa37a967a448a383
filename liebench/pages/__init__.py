"""Pages: what was judged becomes words, pixels and one HTML file. Data flows one way, and only templates draw.

``plot`` turns numbers into pixels, ``figures`` samples and verdicts into figures, a module for each kind of page
(``run``, ...) makes its view model, and ``frame`` fills the templates.
"""
