"""Every setting once, and what is known of it.

One setting, a ``Knob`` (``knob``): its file, what it may hold, how far it reaches, what can get worse.

    block cpu files memory net   ``KNOBS`` of each area
    launch, mounts               what one command is started with, and one mount's access times
    catalogue                    all of them by id, key and path; ``name=value`` parsed
    writable                     what may be written outside the catalogue, with ``--untested``

What about it:

    suggest                      what is worth a try where only a name was given: ``SUGGEST_RULES``
    present                      what is in force here, as a run file keeps it
    defaults                     this kernel's own value: by version (``defaults_table``) or by rule
                                 (``defaults_computed``)
    known_harm                   values known to do harm, or nothing
    owners, origin               which file sets it; default and file of one knob in words
    audit                        all of the above over every setting of a host
"""
