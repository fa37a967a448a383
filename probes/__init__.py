"""The probes of liebench, installed as ``liebench.probes``: one folder per lie."""

if __name__ != "liebench.probes":  # with the checkout as working directory this would load every module twice
    raise ImportError("this folder is installed as liebench.probes: import that, after `pip install -e .`")
