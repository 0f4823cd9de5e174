"""How long the soak is, and which faults are drawn."""


def pytest_addoption(parser):
    parser.addoption("--days", type=int, default=60, help="simulated days")
    parser.addoption("--seed", type=int, default=20_260_105, help="seed of the log and of the faults")
